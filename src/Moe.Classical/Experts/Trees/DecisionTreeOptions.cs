using Moe.Core;

namespace Moe.Classical;

/// <summary>How a decision tree grows, and where it stops.</summary>
/// <remarks>
/// Masses of weight are measured in the mean weight of the rows whose weight is above 0, so that weights × c give the same tree, and rows of weight 0 count for nothing.
/// <see cref="MinLeafShare"/>, <see cref="MinSplitGain"/> and <see cref="PruningPenalty"/> are shares of the whole: with these alone (<see cref="MinLeafWeight"/> and
/// <see cref="Smoothing"/> at 0) a row of weight 2 is a row that is there twice, exactly.
/// </remarks>
public sealed record DecisionTreeOptions
{
    /// <summary>The most splits from the root to a leaf.</summary>
    /// <value>The default is null: no limit. Range: 0 or more, or null; 0 gives a single leaf.</value>
    public int? MaxDepth { get; init; }

    /// <summary>The least weight of a leaf, in mean weights: with equal weights, the least number of rows.</summary>
    /// <value>The default is 1. Range: finite, 0 or more.</value>
    public double MinLeafWeight { get; init; } = 1;

    /// <summary>The least weight of a leaf, as a share of the weight of all rows. Of this and <see cref="MinLeafWeight"/>, the larger counts.</summary>
    /// <value>The default is 0. Range: 0 to 0.5.</value>
    public double MinLeafShare { get; init; }

    /// <summary>The least share of the root's impurity (variance, or <see cref="Impurity"/>) that a split must take away.</summary>
    /// <value>The default is 0: rows that differ are split wherever they can be, gain or not. Range: 0 to 1.</value>
    public double MinSplitGain { get; init; }

    /// <summary>
    /// α of minimal cost-complexity pruning (Breiman et al. 1984, section 3.2): the grown tree is cut back to the smallest one that minimises impurity + α · leaves, the
    /// impurity being a share of the root's.
    /// </summary>
    /// <value>The default is 0: no pruning. Range: 0 to 1.</value>
    public double PruningPenalty { get; init; }

    /// <summary>How many columns, drawn anew at each node, a split is chosen from; columns that are constant in the node do not count.</summary>
    /// <value>The default is null: all. Range: at least 1, or null; more than there are means all.</value>
    public int? MaxFeatures { get; init; }

    /// <summary>What splits make smaller where the response is a class. Real responses: the variance.</summary>
    /// <value>The default is <see cref="ClassImpurity.Gini"/>.</value>
    public ClassImpurity Impurity { get; init; } = ClassImpurity.Gini;

    /// <summary>
    /// s, the weight (in mean weights) of made-up rows, spread evenly over the C classes, in each leaf: p = (weight of the class + s/C) / (weight of the leaf + s). Above 0 it
    /// keeps every probability above 0, and so the log-loss finite.
    /// </summary>
    /// <value>The default is 1. Range: finite, 0 or more; C is Laplace's rule, 0 the plain shares.</value>
    public double Smoothing { get; init; } = 1;

    internal void Validate(string parameterName) => new OptionFailures(nameof(DecisionTreeOptions))
        .Require(MaxDepth is null or >= 0, $"MaxDepth ({MaxDepth}) must be 0 or more, or null.")
        .Require(double.IsFinite(MinLeafWeight) && MinLeafWeight >= 0, $"MinLeafWeight ({MinLeafWeight}) must be finite and 0 or more.")
        .Require(MinLeafShare is >= 0 and <= 0.5, $"MinLeafShare ({MinLeafShare}) must be from 0 to 0.5.")
        .Require(MinSplitGain is >= 0 and <= 1, $"MinSplitGain ({MinSplitGain}) must be from 0 to 1.")
        .Require(PruningPenalty is >= 0 and <= 1, $"PruningPenalty ({PruningPenalty}) must be from 0 to 1.")
        .Require(MaxFeatures is null or >= 1, $"MaxFeatures ({MaxFeatures}) must be at least 1, or null.")
        .Require(Enum.IsDefined(Impurity), $"Impurity ({Impurity}) must be Gini or Entropy.")
        .Require(double.IsFinite(Smoothing) && Smoothing >= 0, $"Smoothing ({Smoothing}) must be finite and 0 or more.")
        .ThrowIfAny(parameterName);
}
