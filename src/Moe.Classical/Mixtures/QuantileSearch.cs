using Moe.Core;
using static TorchSharp.torch;

namespace Moe.Classical;

/// <summary>Quantiles of many rows at once, by bisection between bounds that are moved out until they hold the quantile.</summary>
internal static class QuantileSearch
{
    private const int MostSteps = 200;

    /// <summary>For each row the smallest value whose cumulative probability is at least the wanted one, [n].</summary>
    public static Tensor Find(MixtureDistribution distribution, ReadOnlySpan<double> wanted, ResponseKind kind, Tensor? trials)
    {
        using var scope = NewDisposeScope();
        var whole = kind != ResponseKind.Real;
        var (least, most, spread) = distribution.Ranges();
        var values = NoiseNumbers.New(distribution.Rows);
        var cumulative = new double[distribution.Rows];
        if (whole)
        {
            var all = trials is null ? default : HostMemory.Of<double>(trials);
            for (var row = 0; row < least.Length; row++)
                (least[row], most[row]) = (-1, all.IsEmpty ? Math.Ceiling(most[row]) : all[row]);
        }
        else
        {
            MoveOut(distribution, wanted, values, least, spread, cumulative, down: true, whole);
        }
        MoveOut(distribution, wanted, values, most, spread, cumulative, down: false, whole);
        Bisect(distribution, wanted, values, least, most, cumulative, whole);
        most.CopyTo(HostMemory.Of<double>(values));
        return scope.MoveToOuter(values);
    }

    private static void MoveOut(MixtureDistribution distribution, ReadOnlySpan<double> wanted, Tensor values, double[] bound, double[] spread, double[] cumulative, bool down, bool whole)
    {
        for (var step = 0; step < MostSteps; step++)
        {
            bound.CopyTo(HostMemory.Of<double>(values));
            distribution.Cumulative(values, cumulative);
            var moved = false;
            var reach = Math.Pow(2, step);
            for (var row = 0; row < bound.Length; row++)
            {
                if (down ? cumulative[row] < wanted[row] : cumulative[row] >= wanted[row])
                    continue;
                bound[row] += down ? -reach * spread[row] : whole ? Math.Max(1, Math.Ceiling(reach * spread[row])) : reach * spread[row];
                moved = true;
            }
            if (!moved)
                return;
        }
    }

    private static void Bisect(MixtureDistribution distribution, ReadOnlySpan<double> wanted, Tensor values, double[] low, double[] high, double[] cumulative, bool whole)
    {
        for (var step = 0; step < MostSteps; step++)
        {
            var middle = HostMemory.Of<double>(values);
            var open = false;
            for (var row = 0; row < low.Length; row++)
            {
                middle[row] = low[row] + (0.5 * (high[row] - low[row]));
                if (whole)
                    middle[row] = Math.Floor(middle[row]);
                open |= whole ? high[row] - low[row] > 1 : high[row] - low[row] > 1e-13 * Math.Max(Math.Abs(low[row]), Math.Abs(high[row]));
            }
            if (!open)
                return;
            distribution.Cumulative(values, cumulative);
            for (var row = 0; row < low.Length; row++)
            {
                if (whole && high[row] - low[row] <= 1)
                    continue;
                if (cumulative[row] >= wanted[row])
                    high[row] = middle[row];
                else
                    low[row] = middle[row];
            }
        }
    }
}
