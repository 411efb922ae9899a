using static TorchSharp.torch;

namespace Moe.Core;

/// <summary>What a gate knows of one expert: its row in each of the gate's tensors.</summary>
internal static class GateRows
{
    /// <summary>
    /// What is to be overwritten for one expert, and with what of the other. Rows that tell tokens apart come with the whole matrix, which says how large a small difference is; the others
    /// with null: noise on a number that all tokens share would send all of them to one of the two.
    /// </summary>
    public static IEnumerable<(Tensor Target, Tensor Value, Tensor? Decides)> Pair(Router router, int target, int source)
    {
        if (router is not GatingNetwork gate)
            throw new ArgumentException($"Expected a layer with a {nameof(GatingNetwork)}, which has a row for each expert, got one with a {router.GetType().Name}.");
        if (gate.Table is not null)
            throw new ArgumentException("Expected a gate that chooses by its rows, got one that chooses by a table: change the table instead.");
        if (gate.Options.Projection is TwoLevelProjection { Groups: var groups } && target / (gate.ExpertCount / groups) != source / (gate.ExpertCount / groups))
            throw new ArgumentException($"Expected experts of one group, got {target} and {source}: with a row alike they would still not be chosen alike.");

        yield return (gate.Weight.select(0, target), gate.Weight.select(0, source), gate.Weight);
        foreach (var tensor in new[] { gate.Bias, gate.NoiseWeight, gate.SelectionBias }.OfType<Tensor>())
            yield return (tensor.select(0, target), tensor.select(0, source), null);
    }
}
