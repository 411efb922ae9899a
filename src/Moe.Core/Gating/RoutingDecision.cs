using static TorchSharp.torch;

namespace Moe.Core;

/// <summary>
/// What a gate decided for a batch of tokens: who goes where, with what weight, and what was left out.
/// </summary>
/// <remarks>
/// <para>T tokens, K choices a token, E experts. Invariants: an index occurs at most once in a row of <see cref="Indices"/>;
/// kept + dropped + masked assignments = T · K; weights of what is not kept are 0.</para>
/// <para>Immutable. It owns its tensors, belongs to the dispose scope in which it was made (unless a <see cref="RoutingPass"/>
/// holds it), and is disposed as one; its plain numbers stay readable. Weights, scores and logits carry gradients to the gate; indices and counts do not.
/// Equality is by reference.</para>
/// </remarks>
public sealed class RoutingDecision : IDisposable
{
    private readonly long[] _counts;
    private readonly long[] _assigned;

    internal RoutingDecision(
        Tensor indices, Tensor weights, Tensor logits, Tensor scores, Tensor? mask, Tensor kept, Tensor counts, RoutingCounts host)
    {
        Indices = indices;
        Weights = weights;
        Logits = logits;
        Scores = scores;
        Mask = mask;
        Kept = kept;
        Counts = counts;
        TokenCount = indices.size(0);
        TopK = (int)indices.size(1);
        ValidTokens = host.ValidTokens;
        _counts = host.Kept;
        _assigned = host.Assigned;
    }

    /// <summary>The chosen experts, [T, K], Int64, best first when routing is sparse and 0 … E-1 when it is dense.</summary>
    public Tensor Indices { get; }

    /// <summary>The weights as applied to the experts' outputs, [T, K], Float32 (Float64 for Float64 tokens).</summary>
    public Tensor Weights { get; }

    /// <summary>Which assignments take place, [T, K], Bool: false where an expert was full or the token is padding.</summary>
    public Tensor Kept { get; }

    /// <summary>The router's raw output, before noise and temperature, [T, E].</summary>
    public Tensor Logits { get; }

    /// <summary>The probabilities over all experts that the choice was made by (noise and temperature included), [T, E]; rows sum to 1.</summary>
    public Tensor Scores { get; }

    /// <summary>Kept assignments of each expert, [E], Int64, on the tokens' device.</summary>
    public Tensor Counts { get; }

    /// <summary>Which tokens are real, [T], Bool; null when all are.</summary>
    public Tensor? Mask { get; }

    /// <summary>T, padding included.</summary>
    public long TokenCount { get; }

    /// <summary>The tokens that are not padding.</summary>
    public long ValidTokens { get; }

    /// <summary>E.</summary>
    public int ExpertCount => _counts.Length;

    /// <summary>K.</summary>
    public int TopK { get; }

    /// <summary>Kept assignments of each expert, on the host. Their sum is what the experts compute.</summary>
    public IReadOnlyList<long> Load => _counts;

    /// <summary>Assignments the gate made to each expert, before capacity dropped any; padding excluded.</summary>
    public IReadOnlyList<long> Assigned => _assigned;

    /// <summary>Assignments dropped because their expert was full.</summary>
    public long Dropped => _assigned.Sum() - _counts.Sum();

    /// <summary>True when nothing was dropped or masked, so that all T · K assignments take place.</summary>
    internal bool AllKept => _counts.Sum() == TokenCount * TopK;

    internal IEnumerable<Tensor> Tensors
    {
        get
        {
            yield return Indices;
            yield return Weights;
            yield return Kept;
            yield return Logits;
            yield return Scores;
            yield return Counts;
            if (Mask is not null)
                yield return Mask;
        }
    }

    /// <summary>Releases the decision's tensors.</summary>
    public void Dispose()
    {
        foreach (var tensor in Tensors)
            tensor.Dispose();
    }
}
