using Moe.Core;

namespace Moe.Classical;

/// <summary>How a linear model is fitted.</summary>
public sealed record LinearOptions
{
    /// <summary>
    /// λ: Σ w (y - ŷ)² + λ Σ w |slopes|² is minimised, the columns standardised and the intercept free. It depends neither on the units of the columns nor on the scale of the weights.
    /// </summary>
    /// <value>The default is 0, ordinary least squares. Range: at least 0, finite.</value>
    public double Ridge { get; init; }

    /// <summary>Whether there is an intercept.</summary>
    /// <value>The default is true.</value>
    public bool Intercept { get; init; } = true;

    internal void Validate(string parameterName) => new OptionFailures(nameof(LinearOptions))
        .Require(double.IsFinite(Ridge) && Ridge >= 0, $"Ridge ({Ridge}) must be at least 0 and finite.")
        .ThrowIfAny(parameterName);
}
