using Moe.Core;

namespace Moe.Classical;

/// <summary>Settings of a <see cref="GaussianProcessLearner"/>.</summary>
public sealed record GaussianProcessOptions
{
    /// <summary>The kernel; its length scales are replaced by those of the hyper-parameters.</summary>
    /// <value>The default is <see cref="RbfKernel"/>.</value>
    public StationaryKernel Kernel { get; init; } = new RbfKernel();

    /// <summary>Hyper-parameters to hold. Null: those of the largest marginal likelihood.</summary>
    /// <value>The default is null.</value>
    public GaussianProcessParameters? Parameters { get; init; }

    /// <summary>Whether each column has a length scale of its own.</summary>
    /// <value>The default is false.</value>
    public bool SeparateLengthScales { get; init; }

    /// <summary>Whether inputs and response are brought to weighted mean 0 and deviation 1 first. Otherwise the process has mean 0 as it is.</summary>
    /// <value>The default is true.</value>
    public bool Standardise { get; init; } = true;

    /// <summary>Places that the search of hyper-parameters starts from; a fit with a previous one starts from that alone.</summary>
    /// <value>The default is 2. Range: 1 to 20.</value>
    public int Starts { get; init; } = 2;

    /// <summary>Most steps of the search from each start.</summary>
    /// <value>The default is 40. Range: at least 1.</value>
    public int MaxSteps { get; init; } = 40;

    /// <summary>Most steps of the search from the hyper-parameters of a previous fit.</summary>
    /// <value>The default is 5. Range: at least 0: 0 keeps them.</value>
    public int WarmSteps { get; init; } = 5;

    /// <summary>Most rows of the kernel matrix; of more, those of the highest weight are taken, ties by the seed.</summary>
    /// <value>The default is 2,000. Range: 1 to 15,000.</value>
    public int MaxRows { get; init; } = 2000;

    /// <summary>Most rows that hyper-parameters are searched with, taken as for <see cref="MaxRows"/>.</summary>
    /// <value>The default is 500. Range: at least 1.</value>
    public int MaxSearchRows { get; init; } = 500;

    internal void Validate(string parameterName)
    {
        ArgumentNullException.ThrowIfNull(Kernel, parameterName);
        var failures = new OptionFailures(nameof(GaussianProcessOptions))
            .Require(Parameters is null or { AreValid: true }, $"{nameof(Parameters)} is {Parameters}; each number must be above 0 and finite.")
            .Require(Starts is >= 1 and <= 20, $"{nameof(Starts)} is {Starts}; it must be from 1 to 20.")
            .Require(MaxSteps >= 1, $"{nameof(MaxSteps)} is {MaxSteps}; it must be at least 1.")
            .Require(WarmSteps >= 0, $"{nameof(WarmSteps)} is {WarmSteps}; it must be at least 0.")
            .Require(MaxRows is >= 1 and <= 15000, $"{nameof(MaxRows)} is {MaxRows}; it must be from 1 to 15,000.")
            .Require(MaxSearchRows >= 1, $"{nameof(MaxSearchRows)} is {MaxSearchRows}; it must be at least 1.");
        Kernel.Check(failures, 0);
        failures.ThrowIfAny(parameterName);
    }
}
