using Moe.Core;

namespace Moe.Classical;

/// <summary>The rows of a fit by their class: which classes have weight, how much, and weighted sums over the rows of each.</summary>
internal sealed class ClassRows
{
    private readonly FitData _data;
    private readonly double[] _sums;
    private readonly double _total;

    /// <summary>Counts the classes.</summary>
    /// <exception cref="ArgumentException">The response is no class.</exception>
    public ClassRows(FitData data)
    {
        ArgumentNullException.ThrowIfNull(data);
        _data = data;
        (Present, _sums) = ClassScoreExpert.Count(data);
        _total = _sums.Sum();
    }

    /// <summary>The classes with weight, ascending.</summary>
    public int[] Present { get; }

    /// <summary>C, those without weight included.</summary>
    public int Classes => _sums.Length;

    /// <summary>D.</summary>
    public int Width => (int)_data.Width;

    /// <summary>The weight of a class.</summary>
    public double Sum(int label) => _sums[label];

    /// <summary>The logarithm of a class's share of the weight.</summary>
    public double LogShare(int label) => Math.Log(_sums[label] / _total);

    /// <summary>Σ w map(x) of each column over the rows of a class, [D].</summary>
    public double[] Sums(int label, Func<double, double> map)
    {
        var sums = new double[Width];
        Visit(label, (row, weight) =>
        {
            for (var column = 0; column < row.Length; column++)
                sums[column] += weight * map(row[column]);
        });
        return sums;
    }

    /// <summary>The mean and the variance of each column over the rows of a class, [D], in two passes; of all rows if it is null.</summary>
    public (double[] Means, double[] Variances) Moments(int? label = null)
    {
        var (means, variances, total) = (new double[Width], new double[Width], label is { } own ? _sums[own] : _total);
        Visit(label, (row, weight) => Products.AddScaled(means, row, weight / total));
        Visit(label, (row, weight) =>
        {
            for (var column = 0; column < row.Length; column++)
                variances[column] += weight / total * (row[column] - means[column]) * (row[column] - means[column]);
        });
        return (means, variances);
    }

    private void Visit(int? label, RowVisit visit)
    {
        var rows = HostMemory.Of<double>(_data.Inputs);
        var labels = HostMemory.Of<double>(_data.Response.Values);
        var weights = _data.Weights is null ? default : HostMemory.Of<double>(_data.Weights);
        var width = Width;
        for (var row = 0; row < labels.Length; row++)
        {
            if ((label is null || labels[row] == label) && (weights.IsEmpty || weights[row] > 0))
                visit(rows.Slice(row * width, width), weights.IsEmpty ? 1 : weights[row]);
        }
        GC.KeepAlive(_data);
    }

    private delegate void RowVisit(ReadOnlySpan<double> row, double weight);
}
