using Moe.Core;

namespace Moe.Classical;

/// <summary>Rows laid out for growing trees: column by column, each sorted once, rows of weight 0 left out. Read by any number of trees at once.</summary>
internal sealed class TreeRows
{
    private TreeRows(int[] origin, double[] weights, double weightUnit, double[][] columns)
    {
        Origin = origin;
        Weights = weights;
        WeightUnit = weightUnit;
        Columns = columns;
        Sorted = [.. columns.Select(Order)];
    }

    /// <summary>Which row of the data each is.</summary>
    public int[] Origin { get; }

    /// <summary>Above 0, mean 1.</summary>
    public double[] Weights { get; }

    /// <summary>What a weight of 1 was in the data.</summary>
    public double WeightUnit { get; }

    /// <summary>[D][n], the values.</summary>
    public double[][] Columns { get; }

    /// <summary>[D][n], the rows by ascending value, equal ones by ascending row.</summary>
    public int[][] Sorted { get; }

    /// <summary>Real responses over <see cref="TargetUnit"/>; empty for classes.</summary>
    public double[] Targets { get; private init; } = [];

    /// <summary>A power of two (so that nothing is rounded) that brings the targets near 1, where squares neither overflow nor vanish.</summary>
    public double TargetUnit { get; private init; } = 1;

    /// <summary>Each row's class; empty for real responses.</summary>
    public int[] Labels { get; private init; } = [];

    /// <summary>C, or 0 for real responses.</summary>
    public int Classes { get; private init; }

    public int Count => Origin.Length;

    public int Width => Columns.Length;

    public static TreeRows Of(FitData data, string learner)
    {
        var kind = data.Response.Kind;
        if (kind is not (ResponseKind.Real or ResponseKind.Class))
            throw new ArgumentException($"Expected a response of kind Real or Class for the learner \"{learner}\", got {kind}.", nameof(data));

        var origin = new List<int>((int)data.Rows);
        var given = data.Weights is { } tensor ? HostMemory.Of<double>(tensor) : default;
        var largest = 0.0;
        for (var row = 0; row < data.Rows; row++)
        {
            if (data.Weights is not null && given[row] == 0)
                continue;
            origin.Add(row);
            largest = Math.Max(largest, data.Weights is null ? 1 : given[row]);
        }

        // By the largest first: the sum of weights near the smallest number there is would have no digits.
        var weights = new double[origin.Count];
        var sum = 0.0;
        for (var row = 0; row < weights.Length; row++)
        {
            weights[row] = data.Weights is null ? 1 : given[origin[row]] / largest;
            sum += weights[row];
        }
        var mean = sum / weights.Length;
        for (var row = 0; row < weights.Length; row++)
            weights[row] /= mean;

        var inputs = HostMemory.Of<double>(data.Inputs);
        var width = (int)data.Width;
        var columns = new double[width][];
        for (var column = 0; column < width; column++)
        {
            var values = columns[column] = new double[weights.Length];
            for (var row = 0; row < values.Length; row++)
                values[row] = inputs[(origin[row] * width) + column];
        }

        var response = HostMemory.Of<double>(data.Response.Values);
        if (kind == ResponseKind.Class)
        {
            var labels = new int[weights.Length];
            for (var row = 0; row < labels.Length; row++)
                labels[row] = (int)response[origin[row]];
            return new TreeRows([.. origin], weights, mean * largest, columns) { Labels = labels, Classes = data.Response.Classes };
        }

        var size = 0.0;
        foreach (var row in origin)
            size = Math.Max(size, Math.Abs(response[row]));
        var unit = size is 0 or < 1e-290 ? 1 : Math.ScaleB(1, Math.ILogB(size));
        var targets = new double[weights.Length];
        for (var row = 0; row < targets.Length; row++)
            targets[row] = response[origin[row]] / unit;
        return new TreeRows([.. origin], weights, mean * largest, columns) { Targets = targets, TargetUnit = unit };
    }

    private static int[] Order(double[] values)
    {
        var keys = (double[])values.Clone();
        var rows = new int[keys.Length];
        for (var row = 0; row < rows.Length; row++)
            rows[row] = row;
        Array.Sort(keys, rows);

        // The sort is not stable; sums in a fixed order are worth the pass.
        for (var start = 0; start < keys.Length;)
        {
            var end = start + 1;
            while (end < keys.Length && keys[end] == keys[start])
                end++;
            if (end - start > 1)
                Array.Sort(rows, start, end - start);
            start = end;
        }
        return rows;
    }
}
