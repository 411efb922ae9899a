using Moe.Core;

namespace Moe.Classical;

/// <summary>Among which numbers of experts is chosen, and by what.</summary>
public sealed record MixtureSearchOptions
{
    /// <summary>The least number of experts.</summary>
    /// <value>The default is 1. Range: at least 1.</value>
    public int Least { get; init; } = 1;

    /// <summary>The greatest number of experts.</summary>
    /// <value>The default is 5. Range: at least <see cref="Least"/>.</value>
    public int Most { get; init; } = 5;

    /// <summary>By what is chosen.</summary>
    /// <value>The default is <see cref="SelectionCriterion.Bic"/>.</value>
    public SelectionCriterion Criterion { get; init; }

    /// <summary>Folds of <see cref="SelectionCriterion.CrossValidation"/>.</summary>
    /// <value>The default is 5. Range: at least 2.</value>
    public int Folds { get; init; } = 5;

    internal void Validate(string parameterName) => new OptionFailures(nameof(MixtureSearchOptions))
        .Require(Least >= 1, $"Least ({Least}) must be at least 1.")
        .Require(Most >= Least, $"Most ({Most}) must be at least Least ({Least}).")
        .Require(Enum.IsDefined(Criterion), $"Criterion ({Criterion}) must be Bic, Icl, Aic or CrossValidation.")
        .Require(Folds >= 2, $"Folds ({Folds}) must be at least 2.")
        .ThrowIfAny(parameterName);
}
