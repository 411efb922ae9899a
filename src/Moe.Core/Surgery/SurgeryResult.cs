namespace Moe.Core;

/// <summary>A layer made from another one, which stays as it was, and what became of the experts.</summary>
/// <remarks>
/// All weights of the new layer are copies: it needs an optimizer of its own, and hooks are not taken along. Experts that are no modules have no weights, and are the same objects in both layers. Gates keep their generator,
/// temperature and noise scale, parameters whether they learn.
/// </remarks>
public sealed class SurgeryResult
{
    internal SurgeryResult(MixtureOfExperts layer, IReadOnlyList<int> sources, IReadOnlyList<int> newIndices, PreservationReport? preservation)
    {
        Layer = layer;
        Sources = sources;
        NewIndices = newIndices;
        Preservation = preservation;
    }

    /// <summary>The new layer; the caller owns it.</summary>
    public MixtureOfExperts Layer { get; }

    /// <summary>For each expert of the new layer, the old one that it is made of: the first of those that were merged, -1 for a fresh one. All 0 after upcycling.</summary>
    public IReadOnlyList<int> Sources { get; }

    /// <summary>For each expert of the old layer, its index in the new one, -1 where it was removed. Empty after upcycling.</summary>
    public IReadOnlyList<int> NewIndices { get; }

    /// <summary>How much the answers to the probe changed; null where none was given.</summary>
    public PreservationReport? Preservation { get; }
}
