using Moe.Core;
using static TorchSharp.torch;

namespace Moe.Classical;

/// <summary>Rows to learn from: inputs, what they should give, and how much each row counts.</summary>
/// <remarks>
/// Checked when it is made: finite, of matching lengths, at least one row, no weight below 0, their sum above 0. The tensors are of type Float64 on the CPU, contiguous:
/// the caller's own where they were so already, otherwise copies in the caller's dispose scope. Not changed by any learner.
/// </remarks>
public sealed class FitData
{
    /// <summary>Rows to learn from.</summary>
    /// <param name="inputs">[n, D], any numeric type and device, finite. n and D at least 1.</param>
    /// <param name="response">n entries.</param>
    /// <param name="weights">[n], at least 0 with a sum above 0; null for 1 each. A weight of 2 means a row that is there twice.</param>
    /// <exception cref="ArgumentException">A number is not finite, a weight is below 0, or lengths differ; the message names the row.</exception>
    public FitData(Tensor inputs, Response response, Tensor? weights = null)
    {
        Inputs = DataGuard.Matrix(inputs, nameof(inputs));
        ArgumentNullException.ThrowIfNull(response);
        if (Inputs.size(0) < 1)
            throw new ArgumentException("Expected inputs with at least 1 row, got none.", nameof(inputs));
        if (response.Rows != Inputs.size(0))
            throw new ArgumentException($"Expected a response for each of {Inputs.size(0)} rows, got {response.Rows}.", nameof(response));
        Response = response;
        Weights = weights is null ? null : DataGuard.Weights(weights, Inputs.size(0), nameof(weights));
    }

    private FitData(Tensor inputs, Response response, Tensor? weights, bool _)
    {
        Inputs = inputs;
        Response = response;
        Weights = weights;
    }

    /// <summary>[n, D], Float64 on the CPU, contiguous.</summary>
    public Tensor Inputs { get; }

    /// <summary>What the rows should give.</summary>
    public Response Response { get; }

    /// <summary>[n], Float64 on the CPU; null where every row counts 1.</summary>
    public Tensor? Weights { get; }

    /// <summary>n, the number of rows.</summary>
    public long Rows => Inputs.size(0);

    /// <summary>D, the width of a row.</summary>
    public long Width => Inputs.size(1);

    /// <summary>The same rows with other weights.</summary>
    /// <param name="weights">[n]; see the constructor.</param>
    public FitData WithWeights(Tensor? weights) =>
        new(Inputs, Response, weights is null ? null : DataGuard.Weights(weights, Rows, nameof(weights)), true);

    /// <summary>Some of the rows, with their weights. The tensors are new and belong to the caller's dispose scope.</summary>
    /// <param name="rows">[m], Int64: rows from 0 to n - 1, in any order, more than once if wanted; at least one.</param>
    /// <exception cref="ArgumentException">A row is out of range, or there is none.</exception>
    public FitData Select(Tensor rows)
    {
        DataGuard.Index(rows, Rows, nameof(rows));
        if (rows.size(0) == 0)
            throw new ArgumentException("Expected at least 1 row to select, got none.", nameof(rows));
        return new FitData(Inputs.index_select(0, rows), Response.Select(rows), Weights?.index_select(0, rows), true);
    }

    /// <summary>Only the rows whose weight is above 0: the data themselves where that is all of them. New tensors are in the caller's dispose scope.</summary>
    /// <param name="rows">The rows that are left; null where that is all of them.</param>
    internal FitData Counting(out long[]? rows)
    {
        rows = null;
        if (Weights is null || !HostMemory.Of<double>(Weights).Contains(0.0))
            return this;
        var kept = new List<long>();
        var weights = HostMemory.Of<double>(Weights);
        for (var row = 0; row < weights.Length; row++)
        {
            if (weights[row] > 0)
                kept.Add(row);
        }
        rows = [.. kept];
        using var index = tensor(rows);
        return Select(index);
    }

    /// <summary>The same rows with some of their columns: what an expert with a view of its own sees. The tensor is new.</summary>
    /// <param name="columns">Columns from 0 to D - 1; at least one.</param>
    /// <exception cref="ArgumentException">A column is out of range, or there is none.</exception>
    public FitData SelectColumns(IReadOnlyList<int> columns) => new(Columns.Of(Inputs, columns), Response, Weights, true);
}
