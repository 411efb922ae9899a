using Moe.Core;

namespace Moe.Classical;

/// <summary>How a bernoulli naive Bayes model is fitted.</summary>
public sealed record BernoulliNaiveBayesOptions
{
    /// <summary>What is added to every sum, in rows (Laplace's rule at 1, Lidstone's below), so that nothing unseen is impossible. It is absolute: weights count as numbers of rows beside it.</summary>
    /// <value>The default is 1. Range: at least 0, finite. With 0 shares are held above 1e-15.</value>
    public double Smoothing { get; init; } = 1;

    /// <summary>A value above it counts as on.</summary>
    /// <value>The default is 0. Range: finite.</value>
    public double Threshold { get; init; }

    internal void Validate(string parameterName) => new OptionFailures(nameof(BernoulliNaiveBayesOptions))
        .Require(double.IsFinite(Smoothing) && Smoothing >= 0, $"Smoothing ({Smoothing}) must be at least 0 and finite.")
        .Require(double.IsFinite(Threshold), $"Threshold ({Threshold}) must be finite.")
        .ThrowIfAny(parameterName);
}
