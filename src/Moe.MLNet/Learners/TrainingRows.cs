using Microsoft.ML;
using Moe.Classical;
using Moe.Core;

namespace Moe.MLNet;

/// <summary>The rows of a fit in ML.NET's types: those that count, their weights' mean 1, their classes numbered without gaps.</summary>
internal sealed class TrainingRows
{
    /// <summary>Trainers count rows where they mean weight (the fewest in a leaf, say): rows that weigh next to nothing are left out.</summary>
    private const double LeastOfMean = 1e-8;

    private readonly int _width;
    private readonly float[] _features;
    private readonly float[] _values;
    private readonly uint[] _keys = [];

    public TrainingRows(FitData data)
    {
        var rows = Counting(data);
        Count = rows.Length;
        _width = checked((int)data.Width);
        if ((long)Count * _width > Array.MaxLength)
            throw new ArgumentException($"ML.NET's rows are held in one array of at most {Array.MaxLength} numbers; {Count} rows of {_width} are more.", nameof(data));
        _features = new float[Count * _width];
        var inputs = HostMemory.Of<double>(data.Inputs);
        for (var row = 0; row < Count; row++)
            SingleNumbers.Copy(inputs.Slice(rows[row] * _width, _width), _features.AsSpan(row * _width, _width), "inputs");
        Weights = Scaled(data, rows);
        var response = HostMemory.Of<double>(data.Response.Values);
        _values = new float[Count];
        if (data.Response.Kind == ResponseKind.Class)
        {
            (Classes, _keys) = Numbered(response, rows);
        }
        else
        {
            for (var row = 0; row < Count; row++)
                SingleNumbers.Copy(response.Slice(rows[row], 1), _values.AsSpan(row, 1), "responses");
        }
        GC.KeepAlive(data);
    }

    /// <summary>Rows that count.</summary>
    public int Count { get; }

    /// <summary>Their weights; null if they are equal.</summary>
    public float[]? Weights { get; }

    /// <summary>The classes that they have, in order; null if responses are no classes.</summary>
    public int[]? Classes { get; }

    public RowsView View(MLNetFitColumns columns, CancellationToken cancellation = default)
    {
        List<RowColumn> all =
        [
            RowColumn.Vector(columns.Features, _features, _width),
            Classes is null ? RowColumn.Scalar(columns.Label, _values) : RowColumn.Key(columns.Label, _keys, Classes.Length),
        ];
        all.AddRange(columns.Indicators.Select((name, index) => RowColumn.Indicator(name, _keys, (uint)index + 1)));
        if (Weights is not null)
            all.Add(RowColumn.Scalar(columns.Weight!, Weights));
        return new RowsView(Count, all, cancellation: cancellation);
    }

    /// <summary>The whole schema of the fit, for pipelines that cannot be asked without the label; null where the rows' numbers suffice.</summary>
    public DataViewSchema? SchemaFor(ITransformer model, MLNetFitColumns columns)
    {
        try
        {
            model.GetOutputSchema(new RowsView(0, [RowColumn.Vector(columns.Features, [], _width)]).Schema);
            return null;
        }
        catch (Exception exception) when (exception is ArgumentException or InvalidOperationException)
        {
            return View(columns).Schema;
        }
    }

    private static int[] Counting(FitData data)
    {
        if (data.Rows > Array.MaxLength)
            throw new ArgumentException($"Expected at most {Array.MaxLength} rows, got {data.Rows}.", nameof(data));
        if (data.Weights is null)
            return [.. Enumerable.Range(0, (int)data.Rows)];
        var weights = HostMemory.Of<double>(data.Weights);
        var sum = 0.0;
        foreach (var weight in weights)
            sum += weight;
        var least = LeastOfMean * (sum / weights.Length);
        var rows = new List<int>(weights.Length);
        for (var row = 0; row < weights.Length; row++)
        {
            if (weights[row] > least)
                rows.Add(row);
        }
        return [.. rows];
    }

    private static float[]? Scaled(FitData data, int[] rows)
    {
        if (data.Weights is null)
            return null;
        var weights = HostMemory.Of<double>(data.Weights);
        var sum = 0.0;
        foreach (var row in rows)
            sum += weights[row];
        var mean = sum / rows.Length;
        var scaled = new float[rows.Length];
        var equal = true;
        for (var row = 0; row < rows.Length; row++)
        {
            scaled[row] = (float)(weights[rows[row]] / mean);
            equal &= weights[rows[row]] == weights[rows[0]];
        }
        return equal ? null : scaled;
    }

    private static (int[] Classes, uint[] Keys) Numbered(ReadOnlySpan<double> labels, int[] rows)
    {
        var classes = new SortedSet<int>();
        foreach (var row in rows)
            classes.Add((int)labels[row]);
        if (classes.Count < 2)
            throw new ArgumentException($"All {rows.Length} rows that count are of class {classes.Min}; a classifier needs rows of at least 2 classes.");
        int[] inOrder = [.. classes];
        var keys = new uint[rows.Length];
        for (var row = 0; row < rows.Length; row++)
            keys[row] = (uint)Array.BinarySearch(inOrder, (int)labels[rows[row]]) + 1;
        return (inOrder, keys);
    }
}
