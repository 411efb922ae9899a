using Moe.Core;

namespace Moe.Testing;

/// <summary>How closely gradients are looked at.</summary>
/// <remarks>Immutable data with value equality; validated as a whole when it is used.</remarks>
public sealed record GradCheckOptions
{
    /// <summary>ε, by which each entry is moved up and down.</summary>
    /// <value>The default is 1e-6: the error of the difference is about 1e-12 · L‴ + 1e-10 · L. Range: above 0, finite.</value>
    public double Epsilon { get; init; } = 1e-6;

    /// <summary>How far autograd and differences may be apart, relative to the larger of both and 1.</summary>
    /// <value>The default is 1e-6. Range: above 0, finite.</value>
    public double Tolerance { get; init; } = 1e-6;

    internal void Validate(string parameterName) =>
        new OptionFailures(nameof(GradCheckOptions))
            .Require(Epsilon > 0 && double.IsFinite(Epsilon), $"Epsilon ({Epsilon}) must be positive and finite.")
            .Require(Tolerance > 0 && double.IsFinite(Tolerance), $"Tolerance ({Tolerance}) must be positive and finite.")
            .ThrowIfAny(parameterName);
}
