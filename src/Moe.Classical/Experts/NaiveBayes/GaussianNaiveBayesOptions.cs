using Moe.Core;

namespace Moe.Classical;

/// <summary>How a Gaussian naive Bayes model is fitted.</summary>
public sealed record GaussianNaiveBayesOptions
{
    /// <summary>What is added to every variance, as a share of the largest variance of any column over all rows. Columns that hardly vary within a class speak too loudly without it.</summary>
    /// <value>The default is 1e-9. On grey levels of images about 0.05 does better. Range: at least 0, finite. With 0 variances are held above 1e-300.</value>
    public double Smoothing { get; init; } = 1e-9;

    internal void Validate(string parameterName) => new OptionFailures(nameof(GaussianNaiveBayesOptions))
        .Require(double.IsFinite(Smoothing) && Smoothing >= 0, $"Smoothing ({Smoothing}) must be at least 0 and finite.")
        .ThrowIfAny(parameterName);
}
