using Moe.Core;

namespace Moe.MLNet;

/// <summary>Size and pace of ML.NET's ensembles of trees: FastTree, FastForest, LightGBM.</summary>
public sealed record MLNetTrees
{
    /// <summary>Trees; with boosting for more than two classes, trees for each class.</summary>
    /// <value>The default is 100. Range: at least 1.</value>
    public int Trees { get; init; } = 100;

    /// <summary>The most leaves of a tree.</summary>
    /// <value>The default is 20. Range: at least 2.</value>
    public int Leaves { get; init; } = 20;

    /// <summary>The fewest rows in a leaf. Rows, not their weights: a row of weight 2 counts as one here.</summary>
    /// <value>The default is 10. Range: at least 1.</value>
    public int RowsPerLeaf { get; init; } = 10;

    /// <summary>How much of each tree's correction is taken, in boosting; a forest has no use for it.</summary>
    /// <value>The default is 0.2. Range: above 0, at most 1.</value>
    public double LearningRate { get; init; } = 0.2;

    /// <summary>Threads of a fit. More than one pays for large data alone; experts that are fitted side by side use the cores better.</summary>
    /// <value>The default is 1. Range: at least 1.</value>
    public int Threads { get; init; } = 1;

    internal void Validate(string name) =>
        new OptionFailures(nameof(MLNetTrees))
            .Require(Trees >= 1, $"Trees is {Trees}; it must be at least 1.")
            .Require(Leaves >= 2, $"Leaves is {Leaves}; it must be at least 2.")
            .Require(RowsPerLeaf >= 1, $"RowsPerLeaf is {RowsPerLeaf}; it must be at least 1.")
            .Require(LearningRate is > 0 and <= 1, $"LearningRate is {LearningRate}; it must be above 0 and at most 1.")
            .Require(Threads >= 1, $"Threads is {Threads}; it must be at least 1.")
            .ThrowIfAny(name);
}
