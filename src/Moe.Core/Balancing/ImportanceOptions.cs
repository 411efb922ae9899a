namespace Moe.Core;

/// <summary>Which of the published conventions an <see cref="ImportanceLoss"/> follows.</summary>
/// <remarks>Immutable data with value equality; validated when a loss is built from it.</remarks>
public sealed record ImportanceOptions
{
    /// <summary>FastMoE and davidmrau/mixture-of-experts: weights, unbiased variance. Tutel too has the unbiased variance, but of <see cref="ImportanceSource.CleanScores"/>.</summary>
    public static ImportanceOptions FastMoe { get; } = new() { Unbiased = true };

    /// <summary>V-MoE (Riquelme et al. 2021, appendix A.2): the softmax without noise, population variance.</summary>
    public static ImportanceOptions VMoE { get; } = new() { Source = ImportanceSource.CleanScores };

    /// <summary>What an expert's importance is the sum of.</summary>
    /// <value>The default is <see cref="ImportanceSource.Weights"/>.</value>
    public ImportanceSource Source { get; init; } = ImportanceSource.Weights;

    /// <summary>Whether the variance over the experts is divided by E - 1 rather than E: a factor E / (E - 1) on the loss.</summary>
    /// <value>The default is false.</value>
    public bool Unbiased { get; init; }

    internal void Validate(string parameterName) => new OptionFailures(nameof(ImportanceOptions))
        .Require(Enum.IsDefined(Source), $"Source ({Source}) must be Weights, Scores or CleanScores.")
        .ThrowIfAny(parameterName);
}
