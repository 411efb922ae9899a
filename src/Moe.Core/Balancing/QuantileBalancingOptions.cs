namespace Moe.Core;

/// <summary>How fast a <see cref="QuantileBalancing"/> forgets.</summary>
/// <remarks>Immutable data with value equality; validated when a balancer is built from it.</remarks>
public sealed record QuantileBalancingOptions
{
    /// <summary>The share of the old β in the new one: 0 takes the last global batch at its word, values near 1 average over many.</summary>
    /// <value>The default is 0. Range: 0 to below 1.</value>
    public double Memory { get; init; }

    internal void Validate(string parameterName) => new OptionFailures(nameof(QuantileBalancingOptions))
        .Require(Memory is >= 0 and < 1, $"Memory ({Memory}) must be 0 or more, and below 1.")
        .ThrowIfAny(parameterName);
}
