using static TorchSharp.torch;

namespace Moe.Core;

/// <summary>Makes a layer without some of the experts of another one: those named, or those that are hardly used.</summary>
/// <remarks>
/// <para>The other experts and their rows of the gate are copied. To a token that chose none of the removed ones the new layer answers the same, to the bit or to the rounding of a product with fewer rows, where weights depend on the chosen experts alone: a softmax after selection, a sigmoid, or any
/// scores that are normalised (<see cref="GatingOptions.Renormalize"/>). A softmax over all experts that is not normalised shares what the removed ones had among the others, so that its weights grow; and a
/// selection bias beside such probabilities counts for less.</para>
/// <para>A rule that balances (expert choice, Sinkhorn, balanced assignment) shares all tokens anew, and by a capacity factor each expert has more places than before. Selection biases stay as they are.</para>
/// <para>Pruning by use: Chen et al. 2022, "Task-Specific Expert Pruning for Sparse Mixture-of-Experts", drop the experts that contribute least; Muzio et al. 2024, "SEER-MoE", count who is chosen, as here.</para>
/// </remarks>
public static class ExpertRemoval
{
    /// <summary>Removes the experts named.</summary>
    /// <param name="layer">The old layer; stays as it was.</param>
    /// <param name="experts">Who goes; null experts may.</param>
    /// <param name="topK">K of the new layer; null for that of the old one.</param>
    /// <param name="probe">Tokens, [*, D], to measure the change with; null for none. Not kept.</param>
    /// <returns>The new layer and, with a probe, the report.</returns>
    /// <exception cref="ArgumentException">
    /// An expert is not there or named twice, or too few are left for K or none; the gate is not a <see cref="GatingNetwork"/> whose rows alone decide; the groups of a group-limited selection would no longer have as many experts each; an
    /// expert cannot be copied; or the probe does not fit. Nothing has been made then.
    /// </exception>
    /// <exception cref="ObjectDisposedException">The layer has been disposed.</exception>
    public static SurgeryResult Remove(MixtureOfExperts layer, IEnumerable<int> experts, int? topK = null, Tensor? probe = null)
    {
        LayerPlan.Gate(layer);
        return Without(layer, LayerPlan.Named(layer, experts, nameof(experts), nullExperts: true), topK, probe, nameof(experts));
    }

    /// <summary>Removes the experts that the fewest assignments were made to; of equal ones the later.</summary>
    /// <inheritdoc cref="Remove"/>
    /// <param name="layer">The old layer; stays as it was.</param>
    /// <param name="count">How many; with a group-limited selection a multiple of the number of groups, and as many from each. Null experts stay.</param>
    /// <param name="usage">Who was chosen, over many tokens.</param>
    /// <param name="topK">K of the new layer; null for that of the old one.</param>
    /// <param name="probe">Tokens, [*, D], to measure the change with; null for none. Not kept.</param>
    public static SurgeryResult RemoveLeastUsed(MixtureOfExperts layer, int count, RoutingReport usage, int? topK = null, Tensor? probe = null)
    {
        var gate = LayerPlan.Gate(layer);
        LayerPlan.Usage(layer, usage);
        var answering = gate.ExpertCount - gate.NullExpertCount;
        var groups = (gate.Options.Selection as GroupLimitedSelection)?.Groups ?? 1;
        if (count < 0 || count >= answering || count % groups != 0)
            throw new ArgumentException($"Expected to remove 0 to {answering - 1} experts, a multiple of the number of groups ({groups}), got {count}.", nameof(count));
        var removed = Enumerable.Range(0, answering)
            .GroupBy(expert => expert / (gate.ExpertCount / groups))
            .SelectMany(group => group.OrderBy(expert => usage.Assigned[expert]).ThenByDescending(expert => expert).Take(count / groups));
        return Without(layer, [.. removed], topK, probe, nameof(count));
    }

    /// <summary>Removes the experts that got less than a share of all assignments.</summary>
    /// <inheritdoc cref="Remove"/>
    /// <param name="layer">The old layer; stays as it was.</param>
    /// <param name="share">What an expert must have had in order to stay; 1/E is an even share. Null experts stay. Range: 0 to 1.</param>
    /// <param name="usage">Who was chosen, over many tokens.</param>
    /// <param name="topK">K of the new layer; null for that of the old one.</param>
    /// <param name="probe">Tokens, [*, D], to measure the change with; null for none. Not kept.</param>
    public static SurgeryResult RemoveBelow(MixtureOfExperts layer, double share, RoutingReport usage, int? topK = null, Tensor? probe = null)
    {
        var gate = LayerPlan.Gate(layer);
        LayerPlan.Usage(layer, usage);
        if (share is not (>= 0 and <= 1))
            throw new ArgumentOutOfRangeException(nameof(share), share, $"share ({share}) must lie between 0 and 1.");
        var removed = Enumerable.Range(0, gate.ExpertCount - gate.NullExpertCount).Where(expert => usage.Share[expert] < share);
        return Without(layer, [.. removed], topK, probe, nameof(share));
    }

    private static SurgeryResult Without(MixtureOfExperts layer, int[] removed, int? topK, Tensor? probe, string parameterName)
    {
        int[] kept = [.. Enumerable.Range(0, layer.Experts.Count).Except(removed)];
        var newIndices = Enumerable.Range(0, layer.Experts.Count).Select(expert => Array.IndexOf(kept, expert)).ToArray();
        return new LayerPlan(layer, kept, topK, bias: false, parameterName).Carry((_, _) => { }, null, newIndices, probe);
    }
}
