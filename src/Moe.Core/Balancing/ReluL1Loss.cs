using static TorchSharp.torch;

namespace Moe.Core;

/// <summary>
/// The L1 term of ReLU routing, (1 / T) Σₜ Σᵢ fᵢ sₜᵢ over the real tokens: drives scores to 0, and so the number of experts down (ReMoE, Wang et al. 2024, eq. 8 with
/// f = 1, eq. 10 with fᵢ = E / (k T) · assignments to i). Its λ follows <see cref="SparsityRule"/>.
/// </summary>
/// <remarks>
/// For <see cref="ScoreFunction.Relu"/>, the scores of which are their own absolute values. It has no value at perfect balance: it is small where few experts
/// are asked. f counts, and has no gradient. 0 where every token is padding.
/// </remarks>
public sealed class ReluL1Loss : BalanceLoss
{
    /// <summary>Builds the loss.</summary>
    /// <param name="options">Whether it balances load; null for the plain term.</param>
    /// <exception cref="ArgumentException">An option is out of range.</exception>
    public ReluL1Loss(ReluL1Options? options = null)
    {
        Options = options ?? new ReluL1Options();
        Options.Validate(nameof(options));
    }

    /// <summary>The settings.</summary>
    public ReluL1Options Options { get; }

    /// <inheritdoc/>
    public override string Name => "relu_l1";

    /// <inheritdoc/>
    /// <exception cref="ObjectDisposedException">A decision has been disposed.</exception>
    public override IReadOnlyList<Tensor> Compute(IReadOnlyList<LayerRouting> layers, GlobalBatch? batch = null) =>
        EachLayer(layers, Loss);

    private Tensor Loss(RoutingDecision decision)
    {
        var byExpert = RealTokens.Mean(decision, decision.Scores);
        if (Options.BalancedTopK is not { } topK)
            return byExpert.sum();
        var scale = decision.ExpertCount / (topK * Math.Max(decision.ValidTokens, 1));
        var f = tensor(decision.Assigned.Select(count => count * scale).ToArray(), dtype: byExpert.dtype, device: byExpert.device);
        return (byExpert * f).sum();
    }
}
