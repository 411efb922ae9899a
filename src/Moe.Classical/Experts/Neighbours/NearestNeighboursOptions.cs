using Moe.Core;

namespace Moe.Classical;

/// <summary>Settings of a <see cref="NearestNeighboursLearner"/>.</summary>
public sealed record NearestNeighboursOptions
{
    /// <summary>k, the rows that answer; fewer if there are not so many.</summary>
    /// <value>The default is 5. Range: at least 1.</value>
    public int Neighbours { get; init; } = 5;

    /// <summary>How much each neighbour counts.</summary>
    /// <value>The default is <see cref="NeighbourWeighting.Uniform"/>.</value>
    public NeighbourWeighting Weighting { get; init; }

    /// <summary>Whether inputs are brought to weighted mean 0 and deviation 1 first.</summary>
    /// <value>The default is true.</value>
    public bool Standardise { get; init; } = true;

    /// <summary>s in p_c = (k q_c + s / C) / (k + s), q_c the share of the votes for class c of C: rows that are thought to vote for all classes alike.</summary>
    /// <remarks>Above 0 no class gets the probability 0, so that the log-loss is finite. Real responses do not use it.</remarks>
    /// <value>The default is 0.1. Range: at least 0, finite.</value>
    public double Smoothing { get; init; } = 0.1;

    internal void Validate(string parameterName) => new OptionFailures(nameof(NearestNeighboursOptions))
        .Require(Neighbours >= 1, $"{nameof(Neighbours)} is {Neighbours}; it must be at least 1.")
        .Require(Enum.IsDefined(Weighting), $"{nameof(Weighting)} is {Weighting}; it must be one of the named values.")
        .Require(Smoothing >= 0 && double.IsFinite(Smoothing), $"{nameof(Smoothing)} is {Smoothing}; it must be at least 0 and finite.")
        .ThrowIfAny(parameterName);
}
