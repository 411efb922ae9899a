namespace Moe.Core;

/// <summary>How far a <see cref="BiasBalancing"/> goes in a step.</summary>
/// <remarks>Immutable data with value equality; validated when a balancer is built from it.</remarks>
public sealed record BiasBalancingOptions
{
    /// <summary>u, what a bias moves by in a step.</summary>
    /// <value>The default is 1e-3, as published. Range: above 0, finite.</value>
    public double Rate { get; init; } = 1e-3;

    /// <summary>Whether the mean of the moves is taken from each, so that the biases keep their sum and do not drift away together (torchtitan).</summary>
    /// <value>The default is false, as published.</value>
    public bool Centred { get; init; }

    internal void Validate(string parameterName) => new OptionFailures(nameof(BiasBalancingOptions))
        .Require(Rate > 0 && double.IsFinite(Rate), $"Rate ({Rate}) must be positive and finite.")
        .ThrowIfAny(parameterName);
}
