using static TorchSharp.torch;

namespace Moe.Classical;

/// <summary>A fitted random forest: the mean of its trees' answers.</summary>
/// <remarks>Keeps plain arrays, no tensors: the trees, and what they said of the fit's rows that they had not drawn.</remarks>
public sealed class RandomForest : ClassicalExpert, ICompositeExpert, IOutOfSample, IStoredExpert
{
    internal const string StoredKind = "random-forest";

    private readonly ForestVotes _votes;
    private readonly double[] _outOfBag;

    internal RandomForest(long inputWidth, ResponseKind kind, ForestVotes votes, double[] outOfBag)
        : base(inputWidth, votes.Width)
    {
        Kind = kind;
        _votes = votes;
        _outOfBag = outOfBag;
    }

    /// <summary>What it answers: <see cref="ResponseKind.Real"/> or <see cref="ResponseKind.Class"/>.</summary>
    public ResponseKind Kind { get; }

    /// <summary>How many trees it has.</summary>
    public int Trees => _votes.Trees.Length;

    /// <inheritdoc/>
    public double EvaluationsPerPrediction => Trees;

    /// <summary>Leaves of all its trees together.</summary>
    public long Leaves => _votes.Trees.Sum(tree => (long)tree.Leaves);

    /// <summary>For each row of the fit, the mean answer of the trees that did not draw it (out of bag).</summary>
    /// <returns>
    /// [n, Dout], Float64 on the CPU. The caller owns it. A row that every tree drew (likely only with few trees or a very large weight) gets what one says who knows no column:
    /// the weighted mean of the fit, or the smoothed shares of the classes. A row of weight 0 gets the answer of all trees.
    /// </returns>
    public Tensor OutOfSample()
    {
        using var scope = NewDisposeScope();
        return scope.MoveToOuter(tensor(_outOfBag).reshape(-1, OutputWidth));
    }

    /// <inheritdoc/>
    public ExpertState ToState()
    {
        using var scope = NewDisposeScope();
        var state = new ExpertState(StoredKind).Set("input-width", InputWidth).Set("output-width", _votes.Width).Set("kind", Kind).Set("smoothing", _votes.Smoothing);
        TreeStates.Write(state, _votes.Trees);
        return state.Add("out-of-bag", tensor(_outOfBag));
    }

    internal static RandomForest FromState(ExpertState state)
    {
        var inputWidth = state.Get<long>("input-width");
        var outputWidth = state.Get<int>("output-width");
        var trees = TreeStates.Read(state, inputWidth, outputWidth);
        var outOfBag = TreeStates.Array<double>(state, "out-of-bag");
        if (outOfBag.Length % outputWidth != 0)
            throw new ArgumentException($"The state of kind \"{state.Kind}\" is damaged: {outOfBag.Length} numbers do not make rows of {outputWidth}.", nameof(state));
        var votes = new ForestVotes(trees, state.Get<double>("smoothing"), Environment.ProcessorCount);
        return new RandomForest(inputWidth, state.Get<ResponseKind>("kind"), votes, outOfBag);
    }

    /// <inheritdoc/>
    protected override Tensor Predict(Tensor rows)
    {
        ArgumentNullException.ThrowIfNull(rows);
        return _votes.Of(rows);
    }
}
