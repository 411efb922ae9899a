using Moe.Core;
using static TorchSharp.torch;

namespace Moe.Classical;

/// <summary>The rows of one gradient training: as they are for black boxes, standardised for networks. Its tensors belong to the fit's dispose scope.</summary>
internal sealed class GradientRows
{
    public GradientRows(FitData data, IReadOnlyList<int>? gateColumns, double validationShare, long seed)
    {
        Data = data;
        var rows = new ExactRows(data);
        var counting = Enumerable.Range(0, (int)data.Rows).Where(row => rows.Weights[row] > 0).Select(row => (long)row).ToArray();
        new DrawSequence(Members.Seed(seed, 1)).Shuffle(counting.AsSpan());
        var held = Math.Min((int)(validationShare * counting.Length), counting.Length - 1);
        (Watched, Trained) = (counting[..held], counting[held..]);
        Array.Sort(Trained);
        Train = data.Select(tensor(Trained));
        var (gate, trainGate) = gateColumns is null ? (data, Train) : (data.SelectColumns(gateColumns), Train.SelectColumns(gateColumns));
        GateScales = NetworkScales.Of(trainGate);
        Gate = GateScales.Apply(gate.Inputs);
        var mean = rows.Total / counting.Length;
        TrainedWeight = Trained.Sum(row => rows.Weights[row]);
        Weights = tensor(rows.Weights.Select(weight => weight / mean).ToArray());
        Constants = tensor(rows.Constants);
        var y = data.Response.Values.clone();
        if (data.Response.Kind == ResponseKind.Real)
        {
            foreach (ref var value in HostMemory.Of<double>(y))
                value = (value - GateScales.ResponseMean) / GateScales.ResponseScale;
        }
        Values = y;
    }

    /// <summary>All rows.</summary>
    public FitData Data { get; }

    /// <summary>The rows that are trained on.</summary>
    public FitData Train { get; }

    /// <summary>Which rows are trained on.</summary>
    public long[] Trained { get; }

    /// <summary>Which rows are held back.</summary>
    public long[] Watched { get; }

    /// <summary>What standardises the gate's columns, and real responses.</summary>
    public NetworkScales GateScales { get; }

    /// <summary>z, standardised, [n, Dz].</summary>
    public Tensor Gate { get; }

    /// <summary>y, standardised where real, [n].</summary>
    public Tensor Values { get; }

    /// <summary>w, 1 on average of the rows that have weight, [n].</summary>
    public Tensor Weights { get; }

    /// <summary>Σ w of the rows that are trained on, as they were given.</summary>
    public double TrainedWeight { get; }

    /// <summary>What log-densities have that no parameter changes, [n].</summary>
    public Tensor Constants { get; }
}
