using static TorchSharp.torch;

namespace Moe.Core;

/// <summary>Sums over the tokens that are not padding, in one group or in several of equal length, one after the other.</summary>
internal static class RealTokens
{
    /// <summary>Σ of [T, n] over the real tokens of each group, [G, n].</summary>
    public static Tensor Sum(RoutingDecision decision, Tensor values, long groups = 1)
    {
        if (decision.Mask is { } mask)
            values = values * mask.unsqueeze(-1);
        return values.reshape(groups, -1, values.size(1)).sum(dim: 1);
    }

    /// <summary>The mean of [T, n] over the real tokens, [n]; 0 when there are none.</summary>
    public static Tensor Mean(RoutingDecision decision, Tensor values) => Sum(decision, values)[0] / Math.Max(decision.ValidTokens, 1);

    /// <summary>The number of real tokens in each group, [G, 1], Int64.</summary>
    public static Tensor Count(RoutingDecision decision, long groups) => decision.Mask is { } mask
        ? mask.reshape(groups, -1).sum(1, keepdim: true)
        : full(groups, 1, decision.TokenCount / groups, dtype: ScalarType.Int64, device: decision.Indices.device);
}
