using Moe.Core;
using static TorchSharp.torch;

namespace Moe.Classical;

/// <summary>Fits any learner to weighted rows, whatever it does with weights (<see cref="WeightSupport"/>).</summary>
internal static class ResampledFit
{
    /// <summary>Fits.</summary>
    /// <param name="learner">What to fit.</param>
    /// <param name="data">With weights or without.</param>
    /// <param name="context">Its seed is that of the draw too.</param>
    public static IExpert Fit(IExpertLearner learner, FitData data, FitContext context)
    {
        using var scope = NewDisposeScope();
        return learner.Fit(Prepare(learner.Weights, data, context.Seed), context);
    }

    /// <summary>The rows and weights that a learner of some support for weights gets; new tensors are in the caller's dispose scope.</summary>
    public static FitData Prepare(WeightSupport support, FitData data, long seed)
    {
        if (data.Weights is null)
            return data;
        var weights = HostMemory.Of<double>(data.Weights);
        var (sum, count, most) = (0.0, 0, 0.0);
        foreach (var weight in weights)
        {
            // Divided first, so that huge weights do not overflow in the sum.
            sum += weight / weights.Length;
            count += weight > 0 ? 1 : 0;
            most = Math.Max(most, weight);
        }
        if (count == 0)
            throw new ArgumentException("Every row has weight 0.", nameof(data));
        var mean = sum / count * weights.Length;
        switch (support)
        {
            case WeightSupport.HardOnly:
                return Unweighted(data, Kept(weights, most / 2));
            case WeightSupport.Resample:
                return Unweighted(data, Drawn(weights, count, mean, seed));
            default:
                var relative = data.Weights.clone();
                foreach (ref var weight in HostMemory.Of<double>(relative))
                    weight /= mean;
                return data.WithWeights(relative);
        }
    }

    private static FitData Unweighted(FitData data, long[] rows) => data.WithWeights(null).Select(tensor(rows));

    private static long[] Kept(ReadOnlySpan<double> weights, double least)
    {
        var rows = new List<long>();
        for (var row = 0; row < weights.Length; row++)
        {
            if (weights[row] > 0 && weights[row] >= least)
                rows.Add(row);
        }
        return [.. rows];
    }

    /// <summary>
    /// Systematic resampling: as many draws as rows that count, at equal steps of the cumulated weights from one random start. Each row comes as often as its
    /// weight says, to less than 1, and equal weights give every row once.
    /// </summary>
    private static long[] Drawn(ReadOnlySpan<double> weights, int count, double mean, long seed)
    {
        var rows = new List<long>(count);
        var start = new DrawSequence(seed).Uniform();
        var cumulated = 0.0;
        for (var row = 0; row < weights.Length; row++)
        {
            cumulated += weights[row] / mean;
            while (rows.Count < count && start + rows.Count < cumulated)
                rows.Add(row);
        }

        // Rounding can leave the last draw just beyond the sum.
        var last = weights.LastIndexOfAnyExcept(0.0);
        while (rows.Count < count)
            rows.Add(last);
        return [.. rows];
    }
}
