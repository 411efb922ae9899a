using static TorchSharp.torch;

namespace Moe.Core;

/// <summary>
/// The load loss CV²(Σₜ Pₜᵢ), where Pₜᵢ is the probability that token t would be sent to expert i if the noise on that expert's logit were drawn once more:
/// a count of tokens that has a slope (Shazeer et al. 2017, appendix A, eq. 8-11, without the factor w_load).
/// </summary>
/// <remarks>
/// <para>Pₜᵢ = Φ((zₜᵢ - thresholdₜᵢ) / σₜᵢ) with clean logits z, the noise's deviation σ and, as threshold, the K-th largest noisy logit among the other experts:
/// all of them logits, divided by the temperature, never scores. Plain top-k is assumed.</para>
/// <para>0 at perfect balance. Without Gaussian noise (in evaluation, or for a gate that has none) or with K = E load is the count of assignments, which has no
/// slope: the loss is defined and its gradient is 0. 0 for one expert, and where every token is padding.</para>
/// </remarks>
public sealed class SmoothLoadLoss : BalanceLoss
{
    /// <summary>A deviation that can be divided by: below the resolution of logits in Float32, noise is none.</summary>
    private const double LeastDeviation = 1e-6;

    /// <summary>Builds the loss.</summary>
    /// <param name="options">The convention; null for that of the paper, with the population variance.</param>
    public SmoothLoadLoss(SmoothLoadOptions? options = null) => Options = options ?? new SmoothLoadOptions();

    /// <summary>The convention.</summary>
    public SmoothLoadOptions Options { get; }

    /// <inheritdoc/>
    public override string Name => "smooth_load";

    /// <inheritdoc/>
    /// <exception cref="ObjectDisposedException">A decision has been disposed.</exception>
    public override IReadOnlyList<Tensor> Compute(IReadOnlyList<LayerRouting> layers, GlobalBatch? batch = null) =>
        EachLayer(layers, decision => SquaredVariation.Of(Load(decision), Options.Unbiased));

    private Tensor Load(RoutingDecision decision)
    {
        if (decision.NoiseDeviation is not { } deviation || decision.TopK == decision.ExpertCount)
        {
            // A slope of 0, so that a backward pass through this loss alone finds its way.
            var counts = tensor(decision.Assigned.ToArray(), dtype: decision.Logits.dtype, device: decision.Logits.device);
            return counts + decision.Logits.mul(0).sum();
        }
        var (clean, noisy) = (decision.Logits / decision.Temperature, decision.PerturbedLogits);
        var chance = Gaussian((clean - Threshold(noisy, decision.TopK)) / deviation.clamp_min(LeastDeviation));
        return Options.OneThreshold ? RealTokens.Mean(decision, chance) : RealTokens.Sum(decision, chance)[0];
    }

    /// <summary>The noisy logit that an expert has to beat, [T, E] or [T, 1].</summary>
    private Tensor Threshold(Tensor noisy, int topK)
    {
        if (Options.OneThreshold)
            return Best(noisy, topK).narrow(1, topK - 1, 1);
        var best = Best(noisy, topK + 1);
        var (last, next) = (best.narrow(1, topK - 1, 1), best.narrow(1, topK, 1));
        return where(noisy.gt(next), next, last);
    }

    private static Tensor Best(Tensor noisy, int choices) => noisy.gather(1, SelectionRule.BestFirst(noisy.detach(), choices));

    /// <summary>Φ, the standard normal distribution function.</summary>
    private static Tensor Gaussian(Tensor z) => 0.5 * (1 + (z / Math.Sqrt(2)).erf());
}
