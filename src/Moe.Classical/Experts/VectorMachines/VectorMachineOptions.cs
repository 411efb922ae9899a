using Moe.Core;

namespace Moe.Classical;

/// <summary>Settings of a <see cref="VectorMachineLearner"/>.</summary>
public sealed record VectorMachineOptions
{
    /// <summary>C, what a row on the wrong side of its margin costs: the larger, the closer the boundary follows the rows.</summary>
    /// <remarks>A row of weight w costs C·w·Σw/Σw²: C itself where weights are equal, whatever their unit and however many other rows have weight 0.</remarks>
    /// <value>The default is 1. Range: above 0, finite.</value>
    public double Cost { get; init; } = 1;

    /// <summary>How alike two rows are.</summary>
    /// <value>The default is <see cref="VectorMachineKernel.Rbf"/>.</value>
    public VectorMachineKernel Kernel { get; init; } = VectorMachineKernel.Rbf;

    /// <summary>γ of the kernel; the linear kernel has none.</summary>
    /// <value>The default is null: 1 / (D·Var(x)), the variance over all numbers of the rows after <see cref="Standardise"/>. Range: above 0, finite.</value>
    public double? Gamma { get; init; }

    /// <summary>The power of the polynomial kernel.</summary>
    /// <value>The default is 3. Range: 1 to 20.</value>
    public int Degree { get; init; } = 3;

    /// <summary>c of the polynomial kernel: what it adds before it takes the power.</summary>
    /// <value>The default is 1. Range: at least 0, finite.</value>
    public double Offset { get; init; } = 1;

    /// <summary>Folds in which the machine is fitted again, to calibrate its probabilities on rows that it has not seen.</summary>
    /// <value>The default is 5. Range: at least 2.</value>
    public int Folds { get; init; } = 5;

    /// <summary>The optimiser stops when no pair of rows breaks its optimality conditions by more than this; margins are at 1.</summary>
    /// <value>The default is 1e-3. Range: above 0, below 1.</value>
    public double Tolerance { get; init; } = 1e-3;

    /// <summary>
    /// Most steps of the optimiser for one pair of classes. It stops there with what it has, which obeys all constraints but is not the optimum:
    /// <see cref="VectorMachine.Converged"/> is then false.
    /// </summary>
    /// <value>The default is 1,000,000. Range: at least 1.</value>
    public int MaxIterations { get; init; } = 1_000_000;

    /// <summary>Brings each column to mean 0 and variance 1 first, by the rows' weights; a column that is constant is then left out.</summary>
    /// <value>The default is true.</value>
    public bool Standardise { get; init; } = true;

    internal void Validate(string name) =>
        new OptionFailures(nameof(VectorMachineOptions))
            .Require(Cost > 0 && double.IsFinite(Cost), $"Cost is {Cost}; it must be above 0 and finite.")
            .Require(Enum.IsDefined(Kernel), $"Kernel is {Kernel}; it must be one of {string.Join(", ", Enum.GetNames<VectorMachineKernel>())}.")
            .Require(Gamma is null || (Gamma > 0 && double.IsFinite(Gamma.Value)), $"Gamma is {Gamma}; it must be above 0 and finite.")
            .Require(Degree is >= 1 and <= 20, $"Degree is {Degree}; it must be from 1 to 20.")
            .Require(Offset >= 0 && double.IsFinite(Offset), $"Offset is {Offset}; it must be at least 0 and finite.")
            .Require(Folds >= 2, $"Folds is {Folds}; it must be at least 2.")
            .Require(Tolerance is > 0 and < 1, $"Tolerance is {Tolerance}; it must be above 0 and below 1.")
            .Require(MaxIterations >= 1, $"MaxIterations is {MaxIterations}; it must be at least 1.")
            .ThrowIfAny(name);
}
