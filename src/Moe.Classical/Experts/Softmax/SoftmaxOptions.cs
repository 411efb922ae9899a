using Moe.Core;

namespace Moe.Classical;

/// <summary>How a softmax model of classes is fitted.</summary>
public sealed record SoftmaxOptions
{
    /// <summary>
    /// λ: the log-likelihood less λ/2 Σ w |slopes|² over all classes is maximised, the columns standardised and the intercepts free. It depends neither on the units of the columns nor on
    /// the scale of the weights. With 0, classes that the columns separate have no finite optimum: see <see cref="SoftmaxModel.Separated"/>.
    /// </summary>
    /// <value>The default is 1e-3. Range: at least 0, finite.</value>
    public double Ridge { get; init; } = 1e-3;

    /// <summary>The most Newton steps of one fit; ten times as many of L-BFGS, which takes over at more than 200 free coefficients. Every step improves the fit.</summary>
    /// <value>The default is 100. Range: at least 1.</value>
    public int MaxSteps { get; init; } = 100;

    internal void Validate(string parameterName) => new OptionFailures(nameof(SoftmaxOptions))
        .Require(double.IsFinite(Ridge) && Ridge >= 0, $"Ridge ({Ridge}) must be at least 0 and finite.")
        .Require(MaxSteps >= 1, $"MaxSteps ({MaxSteps}) must be at least 1.")
        .ThrowIfAny(parameterName);
}
