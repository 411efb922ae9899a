using Moe.Core;
using static TorchSharp.torch;

namespace Moe.Classical;

/// <summary>A hierarchy of gates (Jordan and Jacobs 1994): the probability of an expert is the product of the choices on the way from the root to its leaf.</summary>
/// <remarks>Sums of log-softmaxes, so that deep trees lose nothing to rounding.</remarks>
public sealed class TreeGate : IStoredGate
{
    internal const string Kind = "tree";

    /// <summary>A tree of fitted gates.</summary>
    /// <param name="tree">The shape; each expert from 0 to K - 1 at one leaf.</param>
    /// <param name="gates">The gate of each branch, in the order of <see cref="GateTree.Branches"/>: for as many as it has children.</param>
    /// <param name="inputWidth">Dz, the width of the rows that every gate sees; at least 1.</param>
    /// <exception cref="ArgumentException">An expert is missing or there twice, or the gates do not fit the tree.</exception>
    public TreeGate(GateTree tree, IReadOnlyList<SoftmaxGate> gates, long inputWidth)
    {
        ArgumentNullException.ThrowIfNull(tree);
        ArgumentNullException.ThrowIfNull(gates);
        ArgumentOutOfRangeException.ThrowIfLessThan(inputWidth, 1);
        tree.RequireComplete(nameof(tree));
        var branches = tree.Branches.ToArray();
        if (gates.Count != branches.Length)
            throw new ArgumentException($"Expected {branches.Length} gates, one for each branch of {tree}, got {gates.Count}.", nameof(gates));
        for (var place = 0; place < branches.Length; place++)
        {
            if (gates[place].Experts != branches[place].Children.Count || gates[place].InputWidth != inputWidth)
            {
                throw new ArgumentException(
                    $"The gate of branch {branches[place]} chooses among {gates[place].Experts} and sees {gates[place].InputWidth} columns; expected {branches[place].Children.Count} and {inputWidth}.", nameof(gates));
            }
        }
        (Tree, Gates, InputWidth, Experts) = (tree, [.. gates], inputWidth, tree.Leaves.Count());
    }

    /// <summary>The shape.</summary>
    public GateTree Tree { get; }

    /// <summary>The gate of each branch, in the order of <see cref="GateTree.Branches"/>.</summary>
    public IReadOnlyList<SoftmaxGate> Gates { get; }

    /// <inheritdoc/>
    public long InputWidth { get; }

    /// <inheritdoc/>
    public int Experts { get; }

    /// <inheritdoc/>
    /// <remarks>The sum over the branches.</remarks>
    public double? DegreesOfFreedom => Gates.Aggregate((double?)0, (sum, gate) => sum + gate.DegreesOfFreedom);

    /// <inheritdoc/>
    public Tensor LogProbabilities(Tensor rows)
    {
        ArgumentNullException.ThrowIfNull(rows);
        using var scope = NewDisposeScope();
        var answer = zeros(rows.size(0), Experts, dtype: ScalarType.Float64, device: CPU);
        var log = HostMemory.Of<double>(answer);
        var number = 0;
        foreach (var branch in Tree.Branches)
        {
            using var choices = Gates[number++].LogProbabilities(rows);
            var choice = HostMemory.Of<double>(choices);
            for (var child = 0; child < branch.Children.Count; child++)
            {
                foreach (var expert in branch.Children[child].Leaves)
                {
                    for (var (from, to) = (child, expert); from < choice.Length; from += branch.Children.Count, to += Experts)
                        log[to] += choice[from];
                }
            }
        }
        return scope.MoveToOuter(answer);
    }

    /// <inheritdoc/>
    public ExpertState ToState()
    {
        var state = new ExpertState(Kind).Set("tree", Tree.ToNumbers()).Set("inputWidth", InputWidth);
        for (var place = 0; place < Gates.Count; place++)
            state.Add($"gate{place}", Gates[place].ToState());
        return state;
    }

    internal static TreeGate FromState(ExpertState state)
    {
        var tree = GateTree.FromNumbers(state.Get<int[]>("tree"));
        var gates = tree.Branches.Select((_, place) => SoftmaxGate.FromState(state.Child($"gate{place}")));
        return new TreeGate(tree, [.. gates], state.Get<long>("inputWidth"));
    }
}
