namespace Moe.Core;

/// <summary>Which of the published conventions a <see cref="SmoothLoadLoss"/> follows.</summary>
/// <remarks>Immutable data with value equality.</remarks>
public sealed record SmoothLoadOptions
{
    /// <summary>FastMoE and davidmrau/mixture-of-experts: as Shazeer et al. 2017, with the unbiased variance.</summary>
    public static SmoothLoadOptions FastMoe { get; } = new() { Unbiased = true };

    /// <summary>V-MoE (Riquelme et al. 2021, eq. 9-11): one threshold for all experts of a token.</summary>
    public static SmoothLoadOptions VMoE { get; } = new() { OneThreshold = true };

    /// <summary>
    /// Whether an expert is compared with the K-th largest noisy logit, be it its own or not, and load is a mean over tokens (V-MoE); rather than with the K-th
    /// largest among the others, and a sum (Shazeer et al. 2017, eq. 8).
    /// </summary>
    /// <value>The default is false.</value>
    public bool OneThreshold { get; init; }

    /// <summary>Whether the variance over the experts is divided by E - 1 rather than E: a factor E / (E - 1) on the loss.</summary>
    /// <value>The default is false.</value>
    public bool Unbiased { get; init; }
}
