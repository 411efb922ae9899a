using Moe.Core;
using TorchSharp.Modules;
using TorchSharp.Utils;
using static TorchSharp.torch;

namespace Moe.Classical;

/// <summary>A hierarchy of gates (Jordan and Jacobs 1994) as the router of a layer: its logits are log g, the sums of the log-softmaxes on the way from the root to each leaf.</summary>
/// <remarks>
/// Parameters: <c>weight</c> [C, D] and <c>bias</c> [C], of the C children of all branches, in the order of <see cref="GateTree.Branches"/>. Buffer: <c>paths</c> [C, E], 1 where the child is on
/// the way to the expert. With K below E, the weights of the K most probable experts are shared out anew, to sum to 1.
/// </remarks>
public sealed class TreeRouter : Router
{
    private readonly int[] _children;

    /// <param name="tree">The shape, of at least 2 experts.</param>
    /// <param name="topK">K.</param>
    /// <param name="weight">[C, D], Float32 or Float64. Copied.</param>
    /// <param name="bias">[C], of the same type. Copied.</param>
    internal TreeRouter(GateTree tree, int topK, Tensor weight, Tensor bias)
        : base(nameof(TreeRouter), weight.size(1), tree.Leaves.Count())
    {
        (Tree, TopK) = (tree, topK);
        var children = tree.Branches.SelectMany(branch => branch.Children).ToArray();
        _children = [.. tree.Branches.Select(branch => branch.Children.Count)];
        using (no_grad())
        {
            Weight = Of(weight);
            Bias = Of(bias);
        }
        var paths = new double[children.Length * ExpertCount];
        for (var child = 0; child < children.Length; child++)
        {
            foreach (var expert in children[child].Leaves)
                paths[(child * ExpertCount) + expert] = 1;
        }
        Paths = tensor(paths, [children.Length, ExpertCount], dtype: weight.dtype).DetachFromDisposeScope();
        RegisterComponents();
    }

    /// <summary>The shape.</summary>
    public GateTree Tree { get; }

    /// <summary>K, the experts each token is sent to.</summary>
    public int TopK { get; }

    /// <summary>The slopes of each child, [C, D].</summary>
    [field: ComponentName(Name = "weight")]
    public Parameter Weight { get; }

    /// <summary>The intercept of each child, [C].</summary>
    [field: ComponentName(Name = "bias")]
    public Parameter Bias { get; }

    /// <summary>Which child is on the way to which expert, [C, E]; a buffer.</summary>
    [field: ComponentName(Name = "paths")]
    public Tensor Paths { get; }

    /// <inheritdoc/>
    public override bool IsCausal => true;

    /// <inheritdoc/>
    protected override RoutingProposal Propose(RouterInput input)
    {
        ArgumentNullException.ThrowIfNull(input);
        var type = input.Tokens.dtype;
        var children = nn.functional.linear(input.Tokens, Weight.to(type), Bias.to(type));
        var choices = new List<Tensor>();
        var first = 0L;
        foreach (var count in _children)
        {
            choices.Add(children.narrow(1, first, count).log_softmax(1));
            first += count;
        }
        var logits = cat(choices, 1).matmul(Paths.to(type));
        var indices = input.Forced?.clamp_min(0) ?? Choose(logits.detach());
        var chosen = input.Forced?.ge(0);
        var own = logits.gather(1, indices);
        if (chosen is not null)
            own = own.masked_fill(chosen.bitwise_not(), -1e30);
        return new RoutingProposal { Logits = logits, Scores = logits.exp(), Indices = indices, Weights = own.softmax(1), Chosen = chosen };
    }

    /// <summary>The K most probable experts, of equally probable ones the first; all in their order if K = E.</summary>
    private Tensor Choose(Tensor logits) => TopK == ExpertCount
        ? arange(ExpertCount, dtype: ScalarType.Int64, device: logits.device).expand(logits.size(0), ExpertCount).contiguous()
        : logits.sort(1, descending: true, stable: true).Indices.narrow(1, 0, TopK).contiguous();

    private static Parameter Of(Tensor value)
    {
        var parameter = new Parameter(value.detach().clone());
        parameter.DetachFromDisposeScope();
        return parameter;
    }
}
