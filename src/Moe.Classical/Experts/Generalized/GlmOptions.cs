using Moe.Core;

namespace Moe.Classical;

/// <summary>How a generalised linear model is fitted.</summary>
public sealed record GlmOptions
{
    /// <summary>
    /// λ: the log-likelihood less λ/2 Σ w |slopes|² is maximised, the columns standardised and the intercept free. It depends neither on the units of the columns nor on the scale of
    /// the weights. A small one keeps coefficients finite where the rows are separated.
    /// </summary>
    /// <value>The default is 0, maximum likelihood. Range: at least 0, finite.</value>
    public double Ridge { get; init; }

    /// <summary>Whether there is an intercept.</summary>
    /// <value>The default is true.</value>
    public bool Intercept { get; init; } = true;

    /// <summary>The most steps of one fit. Every step improves the fit.</summary>
    /// <value>The default is 100. Range: at least 1.</value>
    public int MaxSteps { get; init; } = 100;

    internal void Validate(string parameterName) => new OptionFailures(nameof(GlmOptions))
        .Require(double.IsFinite(Ridge) && Ridge >= 0, $"Ridge ({Ridge}) must be at least 0 and finite.")
        .Require(MaxSteps >= 1, $"MaxSteps ({MaxSteps}) must be at least 1.")
        .ThrowIfAny(parameterName);
}
