using Moe.Core;

namespace Moe.Classical;

/// <summary>Weighted sums over the rows of a class.</summary>
internal static class ClassSums
{
    /// <summary>Σ w map(x) of each column, [D].</summary>
    /// <param name="data">Rows.</param>
    /// <param name="label">Which class; -1 for all rows.</param>
    /// <param name="map">Of each value.</param>
    public static double[] Of(FitData data, int label, Func<double, double> map)
    {
        var sums = new double[data.Width];
        Visit(data, label, (row, weight) =>
        {
            for (var column = 0; column < row.Length; column++)
                sums[column] += weight * map(row[column]);
        });
        return sums;
    }

    /// <summary>The mean and the variance of each column, [D], in two passes.</summary>
    public static (double[] Means, double[] Variances) Moments(FitData data, int label, double total)
    {
        var (means, variances) = (new double[data.Width], new double[data.Width]);
        Visit(data, label, (row, weight) => Products.AddScaled(means, row, weight / total));
        Visit(data, label, (row, weight) =>
        {
            for (var column = 0; column < row.Length; column++)
                variances[column] += weight / total * (row[column] - means[column]) * (row[column] - means[column]);
        });
        return (means, variances);
    }

    private static void Visit(FitData data, int label, RowVisit visit)
    {
        var rows = HostMemory.Of<double>(data.Inputs);
        var labels = HostMemory.Of<double>(data.Response.Values);
        var weights = data.Weights is null ? default : HostMemory.Of<double>(data.Weights);
        var width = (int)data.Width;
        for (var row = 0; row < labels.Length; row++)
        {
            if ((label == -1 || labels[row] == label) && (weights.IsEmpty || weights[row] > 0))
                visit(rows.Slice(row * width, width), weights.IsEmpty ? 1 : weights[row]);
        }
        GC.KeepAlive(data);
    }

    private delegate void RowVisit(ReadOnlySpan<double> row, double weight);
}
