using Moe.Core;
using static TorchSharp.torch;

namespace Moe.Classical;

/// <summary>A fitted decision tree: splits the rows' space into boxes and answers each with one mean, or one set of class probabilities.</summary>
/// <remarks>Keeps plain arrays, no tensors. Answering takes <see cref="Depth"/> comparisons a row at most.</remarks>
public sealed class DecisionTree : ClassicalExpert, IStoredExpert
{
    internal const string StoredKind = "decision-tree";

    private readonly TreeNodes _nodes;

    internal DecisionTree(long inputWidth, ResponseKind kind, TreeNodes nodes)
        : base(inputWidth, nodes.Width)
    {
        Kind = kind;
        _nodes = nodes;
        Depth = nodes.Depth();
    }

    /// <summary>What it answers: <see cref="ResponseKind.Real"/> or <see cref="ResponseKind.Class"/>.</summary>
    public ResponseKind Kind { get; }

    /// <summary>Splits on the way to the deepest leaf; 0 for a single leaf.</summary>
    public int Depth { get; }

    /// <summary>How many leaves it has, at least 1.</summary>
    public int Leaves => _nodes.Leaves;

    /// <summary>One rule a leaf, from left to right: the box, the answer and the weight of the fit's rows in it.</summary>
    /// <param name="columns">Names of the columns, for the text; null for x0, x1 …</param>
    /// <exception cref="ArgumentException">There is not one name for each column.</exception>
    public IReadOnlyList<TreeRule> Rules(IReadOnlyList<string>? columns = null)
    {
        if (columns is not null && columns.Count != InputWidth)
            throw new ArgumentException($"Expected {InputWidth} names of columns, got {columns.Count}.", nameof(columns));
        return TreeRules.Of(_nodes, Kind, columns);
    }

    /// <summary>Which leaf each row falls into: an index into <see cref="Rules"/>.</summary>
    /// <param name="input">Rows [n, D], finite, any type of numbers.</param>
    /// <returns>[n], Int64 on the CPU. The caller owns it.</returns>
    /// <exception cref="ArgumentException">The shape is another, or a number is not finite.</exception>
    public Tensor LeafOf(Tensor input)
    {
        using var scope = NewDisposeScope();
        var rows = DataGuard.Rows(input, InputWidth, nameof(input));
        var leaves = new long[rows.size(0)];
        var values = HostMemory.Of<double>(rows);
        var width = (int)InputWidth;
        for (var row = 0; row < leaves.Length; row++)
            leaves[row] = _nodes.LeafOf(values.Slice(row * width, width));
        return scope.MoveToOuter(tensor(leaves));
    }

    /// <inheritdoc/>
    public ExpertState ToState()
    {
        var state = new ExpertState(StoredKind).Set("input-width", InputWidth).Set("output-width", _nodes.Width).Set("kind", Kind);
        TreeStates.Write(state, [_nodes]);
        return state;
    }

    internal static DecisionTree FromState(ExpertState state)
    {
        var inputWidth = state.Get<long>("input-width");
        return new DecisionTree(inputWidth, state.Get<ResponseKind>("kind"), TreeStates.Read(state, inputWidth, state.Get<int>("output-width"))[0]);
    }

    /// <inheritdoc/>
    protected override Tensor Predict(Tensor rows)
    {
        ArgumentNullException.ThrowIfNull(rows);
        var answer = empty(rows.size(0), OutputWidth, dtype: ScalarType.Float64, device: CPU);
        var values = HostMemory.Of<double>(rows);
        var answers = HostMemory.Of<double>(answer);
        var (width, outputs) = ((int)InputWidth, _nodes.Width);
        for (int row = 0, count = (int)rows.size(0); row < count; row++)
            _nodes.Answer(_nodes.LeafOf(values.Slice(row * width, width))).CopyTo(answers[(row * outputs)..]);
        GC.KeepAlive(rows);
        return answer;
    }
}
