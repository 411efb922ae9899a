using Moe.Core;

namespace Moe.MLNet;

/// <summary>Settings of ML.NET's linear models by stochastic dual coordinate ascent. Columns are brought to mean 0 and variance 1 first.</summary>
public sealed record MLNetSdca
{
    /// <summary>The ridge on the coefficients.</summary>
    /// <value>The default, null, lets ML.NET choose by the size of the data. Range: above 0.</value>
    public double? L2 { get; init; }

    /// <summary>The lasso on the coefficients.</summary>
    /// <value>The default is 0. Range: at least 0.</value>
    public double L1 { get; init; }

    /// <summary>The most passes over the data.</summary>
    /// <value>The default is 100. Range: at least 1.</value>
    public int Iterations { get; init; } = 100;

    /// <summary>Threads of a fit. With more than one, two fits of the same data differ.</summary>
    /// <value>The default is 1. Range: at least 1.</value>
    public int Threads { get; init; } = 1;

    internal void Validate(string name) =>
        new OptionFailures(nameof(MLNetSdca))
            .Require(L2 is not <= 0 && L2 is null or < double.PositiveInfinity, $"L2 is {L2}; it must be above 0 and finite, or null.")
            .Require(L1 is >= 0 and < double.PositiveInfinity, $"L1 is {L1}; it must be at least 0 and finite.")
            .Require(Iterations >= 1, $"Iterations is {Iterations}; it must be at least 1.")
            .Require(Threads >= 1, $"Threads is {Threads}; it must be at least 1.")
            .ThrowIfAny(name);
}
