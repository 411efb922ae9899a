using Moe.Core;

namespace Moe.Classical;

/// <summary>How <see cref="CrossFit"/> goes about it.</summary>
public sealed record CrossFitOptions
{
    /// <summary>How many folds are fitted at once. The result does not depend on it.</summary>
    /// <value>The default is 1. Range: at least 1.</value>
    public int FitsAtOnce { get; init; } = 1;

    /// <summary>Whether the expert of each fold is kept in the result.</summary>
    /// <value>The default is false.</value>
    public bool KeepExperts { get; init; }

    /// <summary>Whether one fit to all rows is enough of a learner that takes weights and whose experts know their honest answers (<see cref="IExpertLearner.AnswersOutOfSample"/>).</summary>
    /// <value>The default is true.</value>
    public bool AllowOutOfSample { get; init; } = true;

    internal void Validate(string name) => new OptionFailures(nameof(CrossFitOptions))
        .Require(FitsAtOnce >= 1, $"FitsAtOnce is {FitsAtOnce}; it must be at least 1.")
        .ThrowIfAny(name);
}
