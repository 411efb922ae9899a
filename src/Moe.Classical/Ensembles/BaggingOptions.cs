using Moe.Core;

namespace Moe.Classical;

/// <summary>How a bag of experts is fitted.</summary>
public sealed record BaggingOptions
{
    /// <summary>How many experts.</summary>
    /// <value>The default is 25. Range: at least 1.</value>
    public int Members { get; init; } = 25;

    /// <summary>How many are fitted at once. The result does not depend on it.</summary>
    /// <value>The default is 1. Range: at least 1.</value>
    public int FitsAtOnce { get; init; } = 1;

    internal void Validate(string name) => new OptionFailures(nameof(BaggingOptions))
        .Require(Members >= 1, $"Members is {Members}; it must be at least 1.")
        .Require(FitsAtOnce >= 1, $"FitsAtOnce is {FitsAtOnce}; it must be at least 1.")
        .ThrowIfAny(name);
}
