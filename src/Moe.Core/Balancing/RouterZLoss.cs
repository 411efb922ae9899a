using static TorchSharp.torch;

namespace Moe.Core;

/// <summary>
/// The router z-loss, the mean of (log Σᵢ exp zₜᵢ)² over the real tokens: keeps logits small, where rounding is fine (ST-MoE, Zoph et al. 2022, eq. 5, without
/// the factor c_z = 1e-3).
/// </summary>
/// <remarks>Of the raw logits, before noise and temperature. (ln E)² where all logits are 0; 0 where every token is padding. It says nothing about balance.</remarks>
public sealed class RouterZLoss : BalanceLoss
{
    /// <inheritdoc/>
    public override string Name => "router_z";

    /// <inheritdoc/>
    /// <exception cref="ObjectDisposedException">A decision has been disposed.</exception>
    public override IReadOnlyList<Tensor> Compute(IReadOnlyList<LayerRouting> layers, GlobalBatch? batch = null) =>
        EachLayer(layers, decision => RealTokens.Mean(decision, decision.Logits.logsumexp(1, keepdim: true).square())[0]);
}
