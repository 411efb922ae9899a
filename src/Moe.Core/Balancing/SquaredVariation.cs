using static TorchSharp.torch;

namespace Moe.Core;

/// <summary>The square of the coefficient of variation, CV² = variance / (mean² + 1e-10) (Shazeer et al. 2017, eq. 7).</summary>
internal static class SquaredVariation
{
    /// <summary>CV² over the experts.</summary>
    /// <param name="values">[E].</param>
    /// <param name="unbiased">Whether the variance is Σ (x - mean)² / (E - 1) rather than / E.</param>
    /// <returns>A scalar; 0 for one expert.</returns>
    public static Tensor Of(Tensor values, bool unbiased)
    {
        // Not the square of a standard deviation: the slope of a root is infinite at perfect balance.
        var mean = values.mean();
        var freedom = unbiased ? Math.Max(values.size(0) - 1, 1) : values.size(0);
        return (values - mean).square().sum() / freedom / (mean.square() + 1e-10);
    }
}
