using static TorchSharp.torch;

namespace Moe.Core;

/// <summary>
/// The gate of a hierarchical mixture (Jordan and Jacobs 1994, eq. 3-6): one softmax chooses among groups of experts, another among the experts of
/// each group, and g = g_group · g_expert|group. The logits are log g, so that their softmax is g.
/// </summary>
/// <remarks>Parameters: <c>group_weight</c> [G, D], <c>weight</c> [E, D], the experts of a group side by side; <c>bias</c> [E] if the options ask for one.</remarks>
public sealed record TwoLevelProjection : Projection
{
    /// <summary>G, the number of groups.</summary>
    /// <value>Required. Range: a divisor of the number of experts.</value>
    public required int Groups { get; init; }

    internal override void Check(OptionFailures failures, GatingOptions options) => failures
        .Require(options.Score != ScoreFunction.Relu, $"Score ({options.Score}) is 0 for every logarithm of a probability.")
        .Require(Groups >= 1 && options.ExpertCount % Math.Max(Groups, 1) == 0, $"Projection.Groups ({Groups}) must divide ExpertCount ({options.ExpertCount}).");

    internal override Tensor Logits(GatingNetwork gate, Tensor tokens)
    {
        var group = nn.functional.linear(tokens, GatingNetwork.In(gate.GroupWeight!, tokens.dtype)).log_softmax(-1);
        var expert = Linear.Logits(gate, tokens).reshape(tokens.size(0), Groups, -1).log_softmax(-1);
        return (group.unsqueeze(-1) + expert).reshape(tokens.size(0), -1);
    }
}
