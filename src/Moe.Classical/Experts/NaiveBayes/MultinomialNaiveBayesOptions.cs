using Moe.Core;

namespace Moe.Classical;

/// <summary>How a multinomial naive Bayes model is fitted.</summary>
public sealed record MultinomialNaiveBayesOptions
{
    /// <summary>What is added to every sum, in rows (Laplace's rule at 1, Lidstone's below), so that nothing unseen is impossible. It is absolute: weights count as numbers of rows beside it.</summary>
    /// <value>The default is 1. Range: at least 0, finite. With 0 shares are held above 1e-300.</value>
    public double Smoothing { get; init; } = 1;

    internal void Validate(string parameterName) => new OptionFailures(nameof(MultinomialNaiveBayesOptions))
        .Require(double.IsFinite(Smoothing) && Smoothing >= 0, $"Smoothing ({Smoothing}) must be at least 0 and finite.")
        .ThrowIfAny(parameterName);
}
