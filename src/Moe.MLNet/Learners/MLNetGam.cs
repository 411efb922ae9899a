using Moe.Core;

namespace Moe.MLNet;

/// <summary>Settings of ML.NET's generalised additive model: a sum of step functions, one of each column, fitted by boosting.</summary>
public sealed record MLNetGam
{
    /// <summary>Rounds of boosting, each of which goes through all columns.</summary>
    /// <value>The default is 1000 (ML.NET's own is 9500). Range: at least 1.</value>
    public int Iterations { get; init; } = 1000;

    /// <summary>The most steps of a function.</summary>
    /// <value>The default is 255. Range: at least 2.</value>
    public int Bins { get; init; } = 255;

    /// <summary>How much of each round's correction is taken.</summary>
    /// <value>The default is 0.02 (ML.NET's own is 0.002, for its nine times as many rounds). Range: above 0, at most 1.</value>
    public double LearningRate { get; init; } = 0.02;

    /// <summary>Threads of a fit.</summary>
    /// <value>The default is 1. Range: at least 1.</value>
    public int Threads { get; init; } = 1;

    internal void Validate(string name) =>
        new OptionFailures(nameof(MLNetGam))
            .Require(Iterations >= 1, $"Iterations is {Iterations}; it must be at least 1.")
            .Require(Bins >= 2, $"Bins is {Bins}; it must be at least 2.")
            .Require(LearningRate is > 0 and <= 1, $"LearningRate is {LearningRate}; it must be above 0 and at most 1.")
            .Require(Threads >= 1, $"Threads is {Threads}; it must be at least 1.")
            .ThrowIfAny(name);
}
