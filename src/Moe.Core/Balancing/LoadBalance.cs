using static TorchSharp.torch;

namespace Moe.Core;

/// <summary>
/// The load-balancing loss E · Σᵢ pᵢ · fᵢ, which is least when every expert gets the same (Fedus et al. 2021, eq. 4-6, without the
/// factor α; for K above 1 as GShard, Lepikhin et al. 2020, section 2.2).
/// </summary>
/// <remarks>
/// fᵢ is the share of all assignments that went to expert i, before capacity dropped any, so that Σ f = 1 for every K; pᵢ is the mean
/// probability of expert i over the real tokens. 1 at perfect balance, E at full collapse onto one expert. Gradients flow through p only:
/// f counts, and has none. Padding counts in neither.
/// </remarks>
public static class LoadBalance
{
    /// <summary>The loss of one decision.</summary>
    /// <param name="decision">What a gate decided. Not disposed.</param>
    /// <returns>A scalar in the decision's type, on its device; 0 when every token is padding. The caller owns it.</returns>
    /// <exception cref="ObjectDisposedException">The decision has been disposed.</exception>
    public static Tensor Loss(RoutingDecision decision)
    {
        ArgumentNullException.ThrowIfNull(decision);
        TensorGuard.Alive(decision.Scores, nameof(decision));
        using var scope = NewDisposeScope();
        var scores = decision.Scores;
        if (decision.ValidTokens == 0)
            return scope.MoveToOuter(scores.sum() * 0);

        var total = (double)decision.ValidTokens * decision.TopK;
        var shares = decision.Assigned.Select(count => count / total).ToArray();
        var f = tensor(shares, dtype: scores.dtype, device: scores.device);
        var counted = decision.Mask is null ? scores : scores * decision.Mask.unsqueeze(-1);
        var p = counted.sum(dim: 0) / decision.ValidTokens;
        return scope.MoveToOuter((p * f).sum() * decision.ExpertCount);
    }
}
