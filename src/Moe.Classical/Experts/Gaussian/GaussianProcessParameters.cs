using System.Text.Json.Serialization;

namespace Moe.Classical;

/// <summary>Hyper-parameters of a Gaussian process, for inputs and responses as they are after <see cref="GaussianProcessOptions.Standardise"/>.</summary>
public sealed record GaussianProcessParameters
{
    /// <summary>s², the variance of the function.</summary>
    /// <value>The default is 1. Range: above 0, finite.</value>
    public double SignalVariance { get; init; } = 1;

    /// <summary>σ², the variance of the noise of a row of mean weight.</summary>
    /// <value>The default is 0.1. Range: above 0, finite.</value>
    public double NoiseVariance { get; init; } = 0.1;

    /// <summary>ℓ, one for all columns, or one for each.</summary>
    /// <value>The default is one entry, 1. Range: 1 or D entries, above 0, finite.</value>
    public IReadOnlyList<double> LengthScales { get; init; } = [1];

    [JsonIgnore]
    internal bool AreValid => Positive(SignalVariance) && Positive(NoiseVariance) && LengthScales is { Count: > 0 } && LengthScales.All(Positive);

    private static bool Positive(double value) => value > 0 && double.IsFinite(value);
}
