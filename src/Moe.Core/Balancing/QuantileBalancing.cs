using static TorchSharp.torch;

namespace Moe.Core;

/// <summary>
/// Quantile balancing: the bias under which each expert would have got its equal share of the batch just seen, by one step of coordinate descent on the dual of the
/// balanced assignment problem (Megatron-LM's <c>quantile_balancing</c>).
/// </summary>
/// <remarks>
/// <para>Experts are chosen by s - β, so the selection bias is -β. A token's threshold αₜ is its (K + 1)-th largest s - β; β̂ᵢ is the (⌊T K / E⌋ + 1)-th largest of sₜᵢ - αₜ
/// over the real tokens: with it, ⌊T K / E⌋ tokens prefer expert i to what they would else get. Where E does not divide T · K the share is rounded down, and where it
/// is all T tokens, the least of them counts. β ← m β + (1 - m) · mean of β̂ over the global batch, then minus its mean.</para>
/// <para>A micro-batch without real tokens, and K = E, which leaves nothing to choose, speak for the β there is. No load-balancing loss should be used besides.</para>
/// </remarks>
public sealed class QuantileBalancing : SelectionBalancer
{
    /// <summary>Builds the balancer.</summary>
    /// <param name="options">How fast it forgets; null for at once.</param>
    /// <exception cref="ArgumentException">An option is out of range.</exception>
    public QuantileBalancing(QuantileBalancingOptions? options = null)
    {
        Options = options ?? new QuantileBalancingOptions();
        Options.Validate(nameof(options));
    }

    /// <summary>The settings.</summary>
    public QuantileBalancingOptions Options { get; }

    /// <inheritdoc/>
    /// <exception cref="ArgumentException">The gate has no selection bias.</exception>
    /// <exception cref="ObjectDisposedException">The decision has been disposed.</exception>
    public override Tensor Observe(GatingNetwork gate, RoutingDecision decision)
    {
        var bias = BiasOf(gate);
        ArgumentNullException.ThrowIfNull(decision);
        TensorGuard.Alive(decision.Scores, nameof(decision));
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        var beta = bias.to(ScalarType.Float64).neg();
        if (decision.ValidTokens == 0 || decision.TopK == decision.ExpertCount)
            return scope.MoveToOuter(beta);

        var scores = decision.Scores.to(ScalarType.Float64);
        var alpha = (scores - beta).topk(decision.TopK + 1, dim: 1, largest: true, sorted: true).values.narrow(1, decision.TopK, 1);
        var margins = scores - alpha;
        if (decision.Mask is { } mask)
            margins = margins.masked_fill(mask.bitwise_not().unsqueeze(-1), double.NegativeInfinity);
        var rank = Math.Min(decision.ValidTokens * decision.TopK / decision.ExpertCount + 1, decision.ValidTokens);
        return scope.MoveToOuter(margins.kthvalue(decision.TokenCount - rank + 1, 0).values);
    }

    /// <inheritdoc/>
    /// <exception cref="ArgumentException">The gate has no selection bias, or nothing was observed.</exception>
    public override void Update(GatingNetwork gate, IReadOnlyList<Tensor> observed, IProcessSum? processes = null)
    {
        var bias = BiasOf(gate);
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        var local = Sum(observed, gate.ExpertCount);
        var all = ProcessSum.Of(cat([local, full(1, observed.Count, dtype: local.dtype, device: local.device)]), processes);
        var mean = all.narrow(0, 0, gate.ExpertCount) / all[gate.ExpertCount];
        var beta = bias.to(ScalarType.Float64).neg() * Options.Memory + mean * (1 - Options.Memory);
        bias.copy_((beta - beta.mean()).neg());
    }
}
