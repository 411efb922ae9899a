using Moe.Core;
using static TorchSharp.torch;

namespace Moe.Classical;

/// <summary>What all starts of a fit share and only read: the rows as each member sees them, folds, the answers of fixed experts.</summary>
/// <remarks>Its tensors belong to the dispose scope in which it is made, which has to outlive the fit.</remarks>
internal sealed class MixtureRows
{
    private readonly Dictionary<string, View> _views = [];

    public MixtureRows(FitData data, IReadOnlyList<MixtureMember> members, IReadOnlyList<int>? gateColumns, EmOptions options, bool folds)
    {
        Data = data;
        Count = (int)data.Rows;
        Weights = new double[Count];
        if (data.Weights is { } weights)
            HostMemory.Of<double>(weights).CopyTo(Weights);
        else
            Array.Fill(Weights, 1);
        foreach (var weight in Weights)
            Total += weight;
        Gate = gateColumns is null ? data.Inputs : Columns.Of(data.Inputs, gateColumns);
        Fold = folds ? [.. Folds.Stratified(data.Response, options.Folds, options.Seed).FoldOfRow] : [];
        Views = [.. members.Select(member => ViewOf(member.Columns, options))];
        Floor = new ExactRows(data).FloorOf(options.SigmaFloor);
        Fixed = [.. members.Select((member, place) => member.Expert is { } expert && !member.OwnDensity ? ExpertAnswers.Of(expert, Views[place].All.Inputs) : null)];
    }

    /// <summary>All rows, all columns.</summary>
    public FitData Data { get; }

    /// <summary>n.</summary>
    public int Count { get; }

    /// <summary>s, [n].</summary>
    public double[] Weights { get; }

    /// <summary>Σ s.</summary>
    public double Total { get; }

    /// <summary>z, [n, Dz].</summary>
    public Tensor Gate { get; }

    /// <summary>Each row's fold; empty if nothing is judged out of fold.</summary>
    public int[] Fold { get; }

    /// <summary>The rows as each member sees them.</summary>
    public View[] Views { get; }

    /// <summary>The least standard deviation of noise.</summary>
    public double Floor { get; }

    /// <summary>What fixed experts say, [n, Dout]; null for members that learn or have their own density.</summary>
    public Tensor?[] Fixed { get; }

    private View ViewOf(IReadOnlyList<int>? columns, EmOptions options)
    {
        var key = columns is null ? "" : string.Join(",", columns);
        if (_views.TryGetValue(key, out var view))
            return view;
        var plain = Data.WithWeights(null);
        var all = columns is null ? plain : plain.SelectColumns(columns);
        return _views[key] = new View(all, Fold.Length == 0 ? [] : [.. Enumerable.Range(0, options.Folds).Select(fold => new Split(all, Fold, fold))]);
    }

    /// <summary>A seed for one purpose.</summary>
    public static int SeedOf(long seed, params ReadOnlySpan<int> places)
    {
        var mixed = (ulong)seed + 0x9E3779B97F4A7C15;
        foreach (var place in places)
            mixed = Mix(mixed ^ (uint)place);
        return (int)(Mix(mixed) >> 33);
    }

    // SplitMix64 (Steele, Lea and Flood 2014).
    private static ulong Mix(ulong value)
    {
        value += 0x9E3779B97F4A7C15;
        value = (value ^ (value >> 30)) * 0xBF58476D1CE4E5B9;
        value = (value ^ (value >> 27)) * 0x94D049BB133111EB;
        return value ^ (value >> 31);
    }

    /// <summary>The rows with the columns of one or more members, without weights, whole and in folds.</summary>
    public sealed class View(FitData all, Split[] splits)
    {
        public FitData All { get; } = all;

        public Split[] Splits { get; } = splits;
    }

    /// <summary>One fold: the rows outside it to learn from, and its own to be judged.</summary>
    public sealed class Split
    {
        public Split(FitData all, int[] folds, int fold)
        {
            TrainRows = [.. Enumerable.Range(0, folds.Length).Where(row => folds[row] != fold).Select(row => (long)row)];
            TestRows = [.. Enumerable.Range(0, folds.Length).Where(row => folds[row] == fold).Select(row => (long)row)];
            Train = all.Select(tensor(TrainRows));
            Test = all.Select(tensor(TestRows));
        }

        public long[] TrainRows { get; }

        public long[] TestRows { get; }

        public FitData Train { get; }

        public FitData Test { get; }
    }
}
