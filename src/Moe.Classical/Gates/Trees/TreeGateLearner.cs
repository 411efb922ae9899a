using Moe.Core;
using static TorchSharp.torch;

namespace Moe.Classical;

/// <summary>Fits a <see cref="TreeGate"/> to shares, one branch at a time: EM for hierarchical mixtures of experts (Jordan and Jacobs 1994) where a mixture is fitted with it.</summary>
/// <remarks>
/// <para>The share of a child is the sum of the shares at its leaves. The gate of branch v is fitted to h(child | v) = h(child) / h(v) with weights w h(v), from the gate of the fit
/// before. As log g is a sum over the branches, these fits together maximise the same function as one of the whole tree. A tree of one branch is a softmax gate.</para>
/// <para>Without a ridge each of these fits is an exact M-step, and the log-likelihood of a mixture never falls. With one, a step makes the penalised log-likelihood greater, and the ridge of a
/// branch goes with the branch's weight, which changes from step to step: the log-likelihood alone may then fall a little, and EM keeps the iterate
/// where it was greatest.</para>
/// <para>A branch without weight keeps its gate of the fit before, or else makes its children equally probable.</para>
/// </remarks>
public sealed class TreeGateLearner : IGateLearner
{
    private readonly SoftmaxGateLearner _learner;

    /// <summary>A tree of softmax gates.</summary>
    /// <param name="tree">The shape; each expert from 0 to K - 1 at one leaf.</param>
    /// <param name="options">How each gate is fitted; the ridge is relative to the weight of each branch. Null for the defaults.</param>
    /// <exception cref="ArgumentException">An expert is missing or there twice, or an option is out of its range.</exception>
    public TreeGateLearner(GateTree tree, SoftmaxGateOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(tree);
        tree.RequireComplete(nameof(tree));
        (Tree, _learner) = (tree, new SoftmaxGateLearner(options));
    }

    /// <summary>The shape.</summary>
    public GateTree Tree { get; }

    /// <summary>How each gate is fitted.</summary>
    public SoftmaxGateOptions Options => _learner.Options;

    /// <inheritdoc/>
    /// <exception cref="ArgumentException">The targets are of another number of experts than the tree: a mixture that drops an expert needs a tree without it.</exception>
    public IGate Fit(Tensor rows, Tensor targets, Tensor? weights, IGate? previous, FitContext context)
    {
        ArgumentNullException.ThrowIfNull(rows);
        ArgumentNullException.ThrowIfNull(targets);
        ArgumentNullException.ThrowIfNull(context);
        using var scope = NewDisposeScope();
        var (count, experts) = ((int)rows.size(0), (int)targets.size(1));
        if (experts != Tree.Leaves.Count())
            throw new ArgumentException($"The tree {Tree} has {Tree.Leaves.Count()} experts; the shares are of {experts}.", nameof(targets));
        var before = previous is TreeGate gate && gate.InputWidth == rows.size(1) && gate.Tree.ToNumbers().AsSpan().SequenceEqual(Tree.ToNumbers()) ? gate : null;
        var shares = HostMemory.Of<double>(targets).ToArray();
        var weight = NoiseNumbers.Weights(weights).ToArray();
        var gates = new List<SoftmaxGate>();
        foreach (var branch in Tree.Branches)
        {
            var children = branch.Children.Count;
            var (own, choice) = (new double[count], new double[count * children]);
            var leaves = branch.Children.Select(child => child.Leaves.ToArray()).ToArray();
            for (var row = 0; row < count; row++)
                Share(shares.AsSpan(row * experts, experts), leaves, choice.AsSpan(row * children, children), weight.Length == 0 ? 1 : weight[row], out own[row]);
            gates.Add(own.Sum() > 1e-200
                ? (SoftmaxGate)_learner.Fit(rows, tensor(choice, [count, children]), tensor(own), before?.Gates[gates.Count], context)
                : before?.Gates[gates.Count] ?? new SoftmaxGate(zeros(children, rows.size(1) + 1, dtype: ScalarType.Float64), 0));
        }
        return new TreeGate(Tree, gates, rows.size(1));
    }

    /// <summary>h(child | branch), and w h(branch).</summary>
    private static void Share(ReadOnlySpan<double> shares, int[][] leaves, Span<double> choice, double weight, out double own)
    {
        var sum = 0.0;
        for (var child = 0; child < choice.Length; child++)
        {
            foreach (var expert in leaves[child])
                choice[child] += shares[expert];
            sum += choice[child];
        }
        own = weight * sum;
        for (var child = 0; child < choice.Length; child++)
            choice[child] = sum > 0 ? choice[child] / sum : 1.0 / choice.Length;
    }
}
