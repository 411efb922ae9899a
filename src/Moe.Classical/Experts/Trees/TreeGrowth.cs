namespace Moe.Classical;

/// <summary>How to grow one tree, in the units of its rows' weights.</summary>
internal readonly record struct TreeGrowth
{
    public required int MaxDepth { get; init; }

    public required double MinLeafWeight { get; init; }

    public required double MinSplitGain { get; init; }

    /// <summary>How many columns a split is chosen from.</summary>
    public required int Features { get; init; }

    public required ClassImpurity Impurity { get; init; }
}
