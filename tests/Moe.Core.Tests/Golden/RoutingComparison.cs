using static TorchSharp.torch;

namespace Moe.Core.Tests;

/// <summary>Holds a decision against what a publisher's router gave. Choices are compared as sets, with their weights: by expert, not by rank.</summary>
internal sealed class RoutingComparison(RoutingDecision ours, Dictionary<string, Tensor> theirs)
{
    public IEnumerable<Deviation> Deviations()
    {
        foreach (var (name, mine) in Tables())
        {
            if (theirs.TryGetValue(name, out var published) && mine() is { } table)
                yield return Deviation.Of(name, table.reshape(published.shape) * Comparable(published), published * Comparable(published));
        }
        if (!theirs.TryGetValue("selected_experts", out var selected))
            yield break;
        selected = selected.reshape(ours.TokenCount, -1);
        yield return ByExpert("selected_experts", ones_like(ours.Indices), ones_like(selected), selected);
        foreach (var name in new[] { "routing_weights", "routing_weights_after_drop" }.Where(theirs.ContainsKey))
            yield return ByExpert(name, ours.Weights, theirs[name], selected);
        if (theirs.TryGetValue("kept", out var kept))
            yield return ByExpert("kept", ours.Kept, kept, selected);
    }

    /// <summary>Values of token and choice as a table of token and expert, 0 where not chosen.</summary>
    public static Tensor Table(Tensor indices, Tensor values, int experts) =>
        zeros(indices.size(0), experts, dtype: ScalarType.Float64).scatter(1, indices, values.detach().to(ScalarType.Float64).reshape(indices.shape));

    /// <summary>What a case may have recorded, and what we have to say to it.</summary>
    private (string Name, Func<Tensor?> Ours)[] Tables() =>
    [
        ("router_logits", () => ours.Slots is null ? ours.Logits : null),
        ("router_probs", () => ours.Scores),
        ("noisy_logits", () => ours.PerturbedLogits),
        ("noise_stddev", () => ours.NoiseDeviation),
        ("gates", () => Table(ours.Indices, ours.Weights, ours.ExpertCount)),
        ("router_mask", () => Table(ours.Indices, ours.Kept, ours.ExpertCount)),
        ("dropped", () => ours.Kept.sum(1).eq(0).to(ScalarType.Float64)),
        ("dispatch_weights", () => ours.Slots?.Dispatch),
        ("combine_weights", () => ours.Slots?.Combine),
    ];

    private Deviation ByExpert(string name, Tensor mine, Tensor published, Tensor selected)
    {
        var left = Table(ours.Indices, mine, ours.ExpertCount);
        var right = Table(selected, published, ours.ExpertCount);

        // What a dropped token would have had is written down by some and set to 0 by others.
        if (theirs.TryGetValue("dropped", out var dropped))
            (left, right) = (left * (1 - dropped.reshape(-1, 1)), right * (1 - dropped.reshape(-1, 1)));
        return Deviation.Of(name, left, right);
    }

    /// <summary>1 for tokens that are compared, 0 for padding, which our routers leave out and others route.</summary>
    private Tensor Comparable(Tensor published) =>
        ours.Mask is { } mask ? mask.reshape([.. published.shape[..2], .. Enumerable.Repeat(1L, (int)published.dim() - 2)]) : ones(1);
}
