using static TorchSharp.torch;

namespace Moe.Core;

/// <summary>Makes a layer in which groups of experts of another one have become one expert each, whose weights are the weighted mean of theirs.</summary>
/// <remarks>
/// <para>The mean is weighted by use, as in M-SMoE (Li et al. 2024, "Merge, Then Compress"), which aligns hidden units first. The mean of weights is near the mean of functions only where
/// hidden units correspond, as they do for experts that were copies of one another once (upcycled, added or revived ones); units of experts that were drawn apart lie in another order, and are not aligned here.</para>
/// <para>Experts that are the same to the bit become the same to the bit. Whether the layer's output stays too is a matter of the gate: see <see cref="MergedRows"/>. With K above 1, tokens that chose two of a group have a choice left, and take the next best expert.</para>
/// <para>The merged expert stands where the first of its group stood. Buffers of whole numbers are those of the first. Capacity grows with fewer experts.</para>
/// </remarks>
public static class ExpertMerging
{
    /// <summary>Merges groups of experts.</summary>
    /// <param name="layer">The old layer; stays as it was.</param>
    /// <param name="groups">Groups of two or more experts of one kind and shape; the others stay alone. Null experts cannot be merged.</param>
    /// <param name="usage">Who was chosen, over many tokens: the weights of the means. Null, and a group that was never chosen, for equal ones.</param>
    /// <param name="rows">What becomes of the rows of the gate.</param>
    /// <param name="topK">K of the new layer; null for that of the old one.</param>
    /// <param name="probe">Tokens, [*, D], to measure the change with; null for none. Not kept.</param>
    /// <returns>The new layer and, with a probe, the report.</returns>
    /// <exception cref="ArgumentException">
    /// A group has fewer than two experts, one is not there or in two groups; two differ in kind or shape; too few are left for K; the gate is not a <see cref="GatingNetwork"/> whose rows alone decide; the groups of a group-limited selection
    /// would no longer have as many experts each; an expert cannot be copied; or the probe does not fit. Nothing has been made then.
    /// </exception>
    /// <exception cref="ObjectDisposedException">The layer has been disposed.</exception>
    public static SurgeryResult Merge(
        MixtureOfExperts layer, IEnumerable<IReadOnlyList<int>> groups, RoutingReport? usage = null, MergedRows rows = MergedRows.Mean, int? topK = null, Tensor? probe = null)
    {
        var gate = LayerPlan.Gate(layer);
        ArgumentNullException.ThrowIfNull(groups);
        if (usage is not null)
            LayerPlan.Usage(layer, usage);
        int[][] members = [.. groups.Select(group => group?.Order().ToArray() ?? throw new ArgumentException("Expected groups of experts, got a null.", nameof(groups)))];
        LayerPlan.Named(layer, members.SelectMany(group => group), nameof(groups));
        if (members.FirstOrDefault(group => group.Length < 2) is { } small)
            throw new ArgumentException($"Expected groups of 2 experts or more, got [{string.Join(", ", small)}].", nameof(groups));
        if (rows == MergedRows.Sum && (gate.Options.Score != ScoreFunction.Softmax || gate.Options.Projection is not LinearProjection))
            throw new ArgumentException($"rows (Sum) adds up probabilities: Score ({gate.Options.Score}) must be Softmax, and Projection ({gate.Options.Projection.GetType().Name}) linear.", nameof(rows));
        if (!Enum.IsDefined(rows))
            throw new ArgumentException($"rows ({rows}) must be Mean or Sum.", nameof(rows));

        using var scope = NewDisposeScope();
        foreach (var group in members)
        {
            foreach (var other in group.Skip(1))
                _ = ExpertState.Pair(layer.Experts, group[0], other);
        }
        var absorbed = members.SelectMany(group => group.Skip(1)).ToHashSet();
        int[] kept = [.. Enumerable.Range(0, layer.Experts.Count).Where(expert => !absorbed.Contains(expert))];
        var newIndices = Enumerable.Range(0, layer.Experts.Count)
            .Select(expert => Array.IndexOf(kept, members.FirstOrDefault(group => group.Contains(expert))?[0] ?? expert)).ToArray();
        return new LayerPlan(layer, kept, topK, rows == MergedRows.Sum, nameof(groups)).Carry((made, to) =>
        {
            foreach (var group in members)
            {
                var index = newIndices[group[0]];
                var weights = Weights(group, usage);
                Experts(made, index, layer, group, weights);
                Rows(to, index, gate, group, weights, rows);
            }
        }, null, newIndices, probe);
    }

    private static double[] Weights(int[] group, RoutingReport? usage)
    {
        var all = group.Sum(expert => usage?.Assigned[expert] ?? 0);
        return [.. group.Select(expert => all == 0 ? 1.0 / group.Length : (double)usage!.Assigned[expert] / all)];
    }

    private static void Experts(MixtureOfExperts made, int index, MixtureOfExperts layer, int[] group, double[] weights)
    {
        var states = group.Select(expert => ExpertState.Of(layer.Experts[expert], expert)).ToArray();
        foreach (var (name, (target, _)) in ExpertState.Of(made.Experts[index], index))
        {
            if (TensorGuard.IsFloating(target.dtype))
                target.copy_(Mean([.. states.Select(state => state[name].Value.to(target.device))], weights));
        }
    }

    private static void Rows(GatingNetwork to, int index, GatingNetwork from, int[] group, double[] weights, MergedRows rows)
    {
        foreach (var (target, source) in new[] { (to.Weight, from.Weight), (to.Bias, from.Bias), (to.NoiseWeight, from.NoiseWeight), (to.SelectionBias, from.SelectionBias) })
        {
            if (target is not null && source is not null)
                target.select(0, index).copy_(Mean([.. group.Select(expert => source.select(0, expert))], weights));
        }
        if (rows == MergedRows.Sum)
        {
            var biases = group.Select(expert => from.Bias is { } bias ? bias.select(0, expert) : zeros([], dtype: to.Bias!.dtype, device: to.Bias.device));
            to.Bias!.select(0, index).copy_(stack(biases).to(ScalarType.Float64).logsumexp(0));
        }
    }

    /// <summary>Σ wᵢ xᵢ, from the first on: of equal tensors it is each of them to the bit.</summary>
    private static Tensor Mean(Tensor[] values, double[] weights)
    {
        var first = values[0].to(ScalarType.Float64);
        return values.Zip(weights).Skip(1).Aggregate(first, (sum, next) => sum + (next.First.to(ScalarType.Float64) - first) * next.Second);
    }
}
