using TorchSharp;
using static TorchSharp.torch;

namespace Moe.Core;

/// <summary>The last step of a gate: which assignments still fit into their experts.</summary>
internal static class Capacity
{
    /// <summary>
    /// Marks the assignments that fit: in each expert the first C = ⌈factor · K · valid tokens / E⌉, counted over first choices in
    /// token order, then second choices, and so on (Lepikhin et al. 2020, algorithm 1).
    /// </summary>
    /// <param name="indices">Chosen experts, [T, K], Int64; E stands for "masked, takes no place".</param>
    /// <param name="validTokens">The number of tokens that count, a scalar tensor.</param>
    /// <param name="expertCount">E.</param>
    /// <param name="factor">The capacity factor, above 0.</param>
    /// <returns>[T, K], Bool. Stays on the device: no number is read back to decide.</returns>
    public static Tensor Keep(Tensor indices, Tensor validTokens, int expertCount, double factor)
    {
        var (tokens, choices) = (indices.size(0), indices.size(1));

        // K · T first, since K / E is not exact; and a factor such as 1.1 lies a hair above what was written, which must not open one more place.
        var exact = validTokens.to(ScalarType.Float64).mul(choices).mul(factor).div(expertCount);
        var capacity = exact.mul(1 - 1e-14).ceil();

        // Choice by choice, so that a stable sort keeps first choices ahead of second ones inside each expert.
        var (experts, order) = indices.t().reshape(-1).sort(0, descending: false, stable: true);
        var counts = Count(experts, expertCount);
        var starts = counts.cumsum(0) - counts;
        var places = torch.arange(tokens * choices, dtype: ScalarType.Int64, device: indices.device) - starts.gather(0, experts);
        var fits = places.lt(capacity).bitwise_and(experts.lt(expertCount));
        return torch.empty_like(fits).index_copy_(0, order, fits).reshape(choices, tokens).t().contiguous();
    }

    /// <summary>How often each of 0 … E occurs in <paramref name="experts"/>: [E + 1], Int64, the last for what no expert takes.</summary>
    public static Tensor Count(Tensor experts, int expertCount)
    {
        // bincount would ask a CUDA device for the maximum first, and wait for the answer.
        var flat = experts.reshape(-1);
        return torch.zeros(expertCount + 1, dtype: ScalarType.Int64, device: experts.device)
            .scatter_add_(0, flat, torch.ones_like(flat));
    }
}
