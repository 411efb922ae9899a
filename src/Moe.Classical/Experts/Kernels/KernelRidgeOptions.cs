using Moe.Core;

namespace Moe.Classical;

/// <summary>Settings of a <see cref="KernelRidgeLearner"/>.</summary>
public sealed record KernelRidgeOptions
{
    /// <summary>Similarity of rows.</summary>
    /// <value>The default is <see cref="RbfKernel"/>.</value>
    public Kernel Kernel { get; init; } = new RbfKernel();

    /// <summary>λ in Σ w_i (y_i - f(x_i))² / Σ w_i + λ |f|², for the response over its deviation. Null: chosen by leave-one-out from 1e-8 to 1.</summary>
    /// <value>The default is null. Range: above 0, finite.</value>
    public double? Ridge { get; init; }

    /// <summary>Whether a factor of the length scales of a <see cref="StationaryKernel"/> is chosen by leave-one-out, from √D / 32 to 4 √D.</summary>
    /// <value>The default is true.</value>
    public bool ChooseLengthScale { get; init; } = true;

    /// <summary>Whether inputs are brought to weighted mean 0 and deviation 1 first.</summary>
    /// <value>The default is true.</value>
    public bool Standardise { get; init; } = true;

    /// <summary>Most rows of the kernel matrix; of more, those of the highest weight are taken, ties by the seed.</summary>
    /// <value>The default is 4,000. Range: 1 to 15,000.</value>
    public int MaxRows { get; init; } = 4000;

    /// <summary>Most rows that ridge and length scale are chosen with, taken as for <see cref="MaxRows"/>.</summary>
    /// <value>The default is 600. Range: at least 1.</value>
    public int MaxSelectionRows { get; init; } = 600;

    internal void Validate(string parameterName)
    {
        ArgumentNullException.ThrowIfNull(Kernel, parameterName);
        var failures = new OptionFailures(nameof(KernelRidgeOptions))
            .Require(Ridge is null || (Ridge > 0 && double.IsFinite(Ridge.Value)), $"{nameof(Ridge)} is {Ridge}; it must be above 0 and finite.")
            .Require(MaxRows is >= 1 and <= 15000, $"{nameof(MaxRows)} is {MaxRows}; it must be from 1 to 15,000.")
            .Require(MaxSelectionRows >= 1, $"{nameof(MaxSelectionRows)} is {MaxSelectionRows}; it must be at least 1.");
        Kernel.Check(failures, 0);
        failures.ThrowIfAny(parameterName);
    }
}
