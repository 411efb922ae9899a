using Moe.Core;

namespace Moe.Classical;

/// <summary>Grows a decision tree by CART (Breiman, Friedman, Olshen, Stone 1984): the best split of one column into two ranges, and so on in each half.</summary>
/// <remarks>
/// Takes <see cref="ResponseKind.Real"/> (the mean of a leaf's rows) and <see cref="ResponseKind.Class"/> (their smoothed shares). Columns are sorted once; time is O(D n log n + D n
/// depth), memory O(D n). Thresholds lie midway between neighbouring values, so that only the order of a column's values matters for how rows are parted. Of equally good
/// splits the one with the lowest column, then the lowest threshold, is taken (in the order drawn, where <see cref="DecisionTreeOptions.MaxFeatures"/> draws columns). Constant
/// columns are never split; rows of one class, or all alike, give a single leaf. Rows of less than 1e-12 of the weight cannot be a leaf of their own.
/// </remarks>
public sealed class DecisionTreeLearner : IExpertLearner
{
    /// <summary>A recipe.</summary>
    /// <param name="options">Settings; null for the defaults.</param>
    /// <exception cref="ArgumentException">A setting is out of range; the message names each.</exception>
    public DecisionTreeLearner(DecisionTreeOptions? options = null)
    {
        Options = options ?? new DecisionTreeOptions();
        Options.Validate(nameof(options));
    }

    /// <summary>The settings.</summary>
    public DecisionTreeOptions Options { get; }

    /// <inheritdoc/>
    public string Name => "tree";

    /// <inheritdoc/>
    public WeightSupport Weights => WeightSupport.Native;

    /// <inheritdoc/>
    public bool OverfitsOwnRows => true;

    /// <inheritdoc/>
    public bool Takes(ResponseKind kind) => kind is ResponseKind.Real or ResponseKind.Class;

    /// <inheritdoc cref="IExpertLearner.Fit"/>
    public DecisionTree Fit(FitData data, FitContext context)
    {
        ArgumentNullException.ThrowIfNull(data);
        ArgumentNullException.ThrowIfNull(context);
        var rows = TreeRows.Of(data, Name);
        var grown = Grow(rows, context);
        return new DecisionTree(data.Width, data.Response.Kind, grown.Freeze(Options.Smoothing, rows.WeightUnit, rows.TargetUnit));
    }

    IExpert IExpertLearner.Fit(FitData data, FitContext context) => Fit(data, context);

    /// <summary>The pruned tree with its sums.</summary>
    internal GrownTree Grow(TreeRows rows, FitContext context)
    {
        var growth = new TreeGrowth
        {
            MaxDepth = Options.MaxDepth ?? int.MaxValue,
            MinLeafWeight = Math.Max(Options.MinLeafWeight, Options.MinLeafShare * rows.Count),
            MinSplitGain = Options.MinSplitGain,
            Features = Math.Min(Options.MaxFeatures ?? rows.Width, rows.Width),
            Impurity = Options.Impurity,
        };
        var grown = TreeGrower.Grow(rows, rows.Weights, growth, new DrawSequence(context.Seed, 0), context.CancellationToken);
        grown.Prune(Options.PruningPenalty);
        return grown;
    }
}
