using Moe.Core;

namespace Moe.Classical;

/// <summary>Grows a random forest (Breiman 2001): many trees, each on rows drawn with replacement and with few columns to choose from at each split.</summary>
/// <remarks>
/// <para>Weights decide how often a row is drawn: in proportion to them. Rows of weight 0 are never drawn, and change nothing. Takes <see cref="ResponseKind.Real"/> and
/// <see cref="ResponseKind.Class"/>.</para>
/// <para>Trees grow on several threads; the forest depends on the seed alone, not on their number. The columns are sorted once for all trees. Time is
/// O(trees · D n depth), memory O(D n · threads).</para>
/// </remarks>
public sealed class RandomForestLearner : IExpertLearner
{
    /// <summary>A recipe.</summary>
    /// <param name="options">Settings; null for the defaults.</param>
    /// <exception cref="ArgumentException">A setting is out of range; the message names each.</exception>
    public RandomForestLearner(RandomForestOptions? options = null)
    {
        Options = options ?? new RandomForestOptions();
        Options.Validate(nameof(options));
    }

    /// <summary>The settings.</summary>
    public RandomForestOptions Options { get; }

    /// <inheritdoc/>
    public string Name => "forest";

    /// <inheritdoc/>
    public WeightSupport Weights => WeightSupport.Native;

    /// <inheritdoc/>
    public bool OverfitsOwnRows => true;

    /// <inheritdoc/>
    public bool AnswersOutOfSample => true;

    /// <inheritdoc/>
    public bool Takes(ResponseKind kind) => kind is ResponseKind.Real or ResponseKind.Class;

    /// <inheritdoc cref="IExpertLearner.Fit"/>
    public RandomForest Fit(FitData data, FitContext context)
    {
        ArgumentNullException.ThrowIfNull(data);
        ArgumentNullException.ThrowIfNull(context);
        context.CancellationToken.ThrowIfCancellationRequested();
        var rows = TreeRows.Of(data, Name);
        var draw = new WeightedDraw(rows.Weights);
        var growth = new TreeGrowth
        {
            MaxDepth = Options.MaxDepth ?? int.MaxValue,
            MinLeafWeight = Math.Max(Options.MinLeafWeight, Options.MinLeafShare * rows.Count),
            MinSplitGain = 0,
            Features = Math.Min(Options.MaxFeatures ?? Math.Max(1, rows.Classes > 0 ? (int)Math.Sqrt(rows.Width) : rows.Width / 3), rows.Width),
            Impurity = Options.Impurity,
        };
        var trees = new TreeNodes[Options.Trees];
        var bags = new RowSet[Options.Trees];
        var threads = Options.MaxThreads ?? Environment.ProcessorCount;

        // Plain arrays only: torch's dispose scopes belong to a thread.
        Parallel.For(0, trees.Length, new ParallelOptions { MaxDegreeOfParallelism = threads, CancellationToken = context.CancellationToken }, tree =>
        {
            var draws = new DrawSequence(context.Seed, tree);
            var counts = draw.Next(draws);
            bags[tree] = new RowSet((int)data.Rows);
            for (var row = 0; row < counts.Length; row++)
            {
                if (counts[row] > 0)
                    bags[tree].Add(rows.Origin[row]);
            }
            trees[tree] = TreeGrower.Grow(rows, counts, growth, draws, context.CancellationToken).Freeze(0, 1, rows.TargetUnit);
        });
        var votes = new ForestVotes(trees, rows.Classes > 0 ? Options.Smoothing : 0, threads);
        return new RandomForest(data.Width, data.Response.Kind, votes, votes.OutOfBag(data.Inputs, bags, Ignorant(rows)));
    }

    IExpert IExpertLearner.Fit(FitData data, FitContext context) => Fit(data, context);

    /// <summary>What one says who knows no column: the mean, or the smoothed shares.</summary>
    private double[] Ignorant(TreeRows rows)
    {
        var mean = new double[Math.Max(rows.Classes, 1)];
        for (var row = 0; row < rows.Count; row++)
        {
            if (rows.Classes > 0)
                mean[rows.Labels[row]] += rows.Weights[row];
            else
                mean[0] += rows.Weights[row] * rows.Targets[row];
        }
        for (var label = 0; label < mean.Length; label++)
            mean[label] = rows.Classes > 0 ? (mean[label] + (Options.Smoothing / rows.Classes)) / (rows.Count + Options.Smoothing) : mean[label] / rows.Count * rows.TargetUnit;
        return mean;
    }
}
