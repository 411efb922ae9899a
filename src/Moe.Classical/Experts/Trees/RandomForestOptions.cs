using Moe.Core;

namespace Moe.Classical;

/// <summary>How many trees a forest has, and how each grows.</summary>
/// <remarks>Masses of weight count drawn rows: each tree gets as many draws as there are rows of weight above 0, so that weights × c give the same forest.</remarks>
public sealed record RandomForestOptions
{
    /// <summary>How many trees.</summary>
    /// <value>The default is 100. Range: at least 1.</value>
    public int Trees { get; init; } = 100;

    /// <summary>The most splits from a root to a leaf.</summary>
    /// <value>The default is null: no limit. Range: 0 or more, or null.</value>
    public int? MaxDepth { get; init; }

    /// <summary>The least number of drawn rows in a leaf; a row that is drawn twice counts twice.</summary>
    /// <value>The default is 1. Range: finite, 0 or more.</value>
    public double MinLeafWeight { get; init; } = 1;

    /// <summary>The least number of drawn rows in a leaf, as a share of all draws. Of this and <see cref="MinLeafWeight"/>, the larger counts.</summary>
    /// <value>The default is 0. Range: 0 to 0.5.</value>
    public double MinLeafShare { get; init; }

    /// <summary>How many columns, drawn anew at each node, a split is chosen from; columns that are constant in the node do not count.</summary>
    /// <value>The default is null: √D for classes, D/3 for real responses, rounded down, at least 1. Range: at least 1, or null; more than there are means all.</value>
    public int? MaxFeatures { get; init; }

    /// <summary>What splits make smaller where the response is a class. Real responses: the variance.</summary>
    /// <value>The default is <see cref="ClassImpurity.Gini"/>.</value>
    public ClassImpurity Impurity { get; init; } = ClassImpurity.Gini;

    /// <summary>
    /// s, the number of made-up trees that give each of the C classes 1/C: p = (sum over the trees + s/C) / (trees + s). Above 0 it keeps every probability above 0, and so the
    /// log-loss finite.
    /// </summary>
    /// <value>The default is 1. Range: finite, 0 or more.</value>
    public double Smoothing { get; init; } = 1;

    /// <summary>How many threads a fit or a prediction may use. The result is the same for any number.</summary>
    /// <value>The default is null: the number of cores. Range: at least 1, or null.</value>
    public int? MaxThreads { get; init; }

    internal void Validate(string parameterName) => new OptionFailures(nameof(RandomForestOptions))
        .Require(Trees >= 1, $"Trees ({Trees}) must be at least 1.")
        .Require(MaxDepth is null or >= 0, $"MaxDepth ({MaxDepth}) must be 0 or more, or null.")
        .Require(double.IsFinite(MinLeafWeight) && MinLeafWeight >= 0, $"MinLeafWeight ({MinLeafWeight}) must be finite and 0 or more.")
        .Require(MinLeafShare is >= 0 and <= 0.5, $"MinLeafShare ({MinLeafShare}) must be from 0 to 0.5.")
        .Require(MaxFeatures is null or >= 1, $"MaxFeatures ({MaxFeatures}) must be at least 1, or null.")
        .Require(Enum.IsDefined(Impurity), $"Impurity ({Impurity}) must be Gini or Entropy.")
        .Require(double.IsFinite(Smoothing) && Smoothing >= 0, $"Smoothing ({Smoothing}) must be finite and 0 or more.")
        .Require(MaxThreads is null or >= 1, $"MaxThreads ({MaxThreads}) must be at least 1, or null.")
        .ThrowIfAny(parameterName);
}
