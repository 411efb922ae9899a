using Moe.Core;

namespace Moe.Classical;

/// <summary>How experts are stacked.</summary>
public sealed record StackingOptions
{
    /// <summary>In how many folds the experts are fitted for the answers that the meta-learner sees.</summary>
    /// <value>The default is 5. Range: at least 2; not more than there are rows.</value>
    public int Folds { get; init; } = 5;

    /// <summary>Whether the meta-learner sees the inputs too, behind the answers.</summary>
    /// <value>The default is false.</value>
    public bool PassInputs { get; init; }

    /// <summary>How many fits run at once. The result does not depend on it.</summary>
    /// <value>The default is 1. Range: at least 1.</value>
    public int FitsAtOnce { get; init; } = 1;

    internal void Validate(string name) => new OptionFailures(nameof(StackingOptions))
        .Require(Folds >= 2, $"Folds is {Folds}; it must be at least 2.")
        .Require(FitsAtOnce >= 1, $"FitsAtOnce is {FitsAtOnce}; it must be at least 1.")
        .ThrowIfAny(name);
}
