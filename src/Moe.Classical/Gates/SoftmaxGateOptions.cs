using Moe.Core;

namespace Moe.Classical;

/// <summary>How a softmax gate is fitted.</summary>
public sealed record SoftmaxGateOptions
{
    /// <summary>
    /// λ: the penalty is λ/2 · Σ w times the squares of the slopes about their mean over the experts, the columns standardised. It does not depend on the units of the
    /// columns, on the scale of the weights, or on the order of the experts. Without it a gate that separates the experts has slopes without bound.
    /// </summary>
    /// <value>The default is 0. Range: at least 0, finite.</value>
    public double Ridge { get; init; }

    /// <summary>The most Newton steps of one fit; ten times as many of L-BFGS, which takes over at more than 200 free coefficients. Every step improves the fit, so that few are enough inside EM.</summary>
    /// <value>The default is 50. Range: at least 1.</value>
    public int MaxSteps { get; init; } = 50;

    internal void Validate(string parameterName) => new OptionFailures(nameof(SoftmaxGateOptions))
        .Require(double.IsFinite(Ridge) && Ridge >= 0, $"Ridge ({Ridge}) must be at least 0 and finite.")
        .Require(MaxSteps >= 1, $"MaxSteps ({MaxSteps}) must be at least 1.")
        .ThrowIfAny(parameterName);
}
