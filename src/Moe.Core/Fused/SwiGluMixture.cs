using static TorchSharp.torch;

namespace Moe.Core;

/// <summary>Layers whose experts are one stack of SwiGLUs, on the host: gather, experts and weighted sum in one step, which neither gathers rows nor keeps answers.</summary>
internal static class SwiGluMixture
{
    /// <summary>Whether this is such a layer.</summary>
    public static bool Takes(StackedExperts stack, RoutingDecision routing) =>
        HostPath.Allows(routing.Indices)
        && routing.WeightTarget == WeightTarget.Output
        && stack.Recipe is GatedFeedForwardRecipe { Options: { Unit: null, Bias: false } options } && options.Activation == Activation.Silu
        && routing.Routed > 0;

    /// <summary>The answers, weighted and summed.</summary>
    /// <param name="stack">The experts, in the order of their indices.</param>
    /// <param name="tokens">[T, D], of the experts' type.</param>
    /// <param name="routing">Who is asked about what.</param>
    /// <param name="order">Its assignments by expert.</param>
    /// <returns>[T, Dout], of the tokens' type; 0 for tokens without experts.</returns>
    public static Tensor Answer(StackedExperts stack, Tensor tokens, RoutingDecision routing, AssignmentOrder order)
    {
        var (weightIn, weightOut) = (stack.Weight(0), stack.Weight(1));
        var call = new SwiGluCall(tokens.contiguous(), routing.Weights.contiguous(), weightIn, weightOut, new FusedPlan(routing, order));
        if (!is_grad_enabled() || !(tokens.requires_grad || routing.Weights.requires_grad || weightIn.requires_grad || weightOut.requires_grad))
            return Compute(call, kept: null);

        // Views: a parameter can take a gradient over, where one that others hold would be copied; and the router's weights do not come from these tokens, which a gradient of a gradient
        // by them would follow too.
        return SwiGluFunction.apply(View(call.Tokens), call.Weights, View(weightIn), View(weightOut), call.Plan);
    }

    private static Tensor View(Tensor tensor) => tensor.view(tensor.shape);

    /// <summary>Memory for what is kept for the backward pass.</summary>
    public static Tensor NewKept(in SwiGluCall call) => empty(call.Plan.Rows * call.In.size(1), dtype: call.Tokens.dtype, device: CPU);

    /// <summary>The output, without gradients.</summary>
    /// <param name="call">Tokens and weights.</param>
    /// <param name="kept">Written for the backward pass; null where there will be none.</param>
    public static Tensor Compute(in SwiGluCall call, Tensor? kept)
    {
        var answers = empty(call.Plan.Rows, call.Out.size(1), dtype: call.Tokens.dtype, device: CPU);
        if (call.ByLoops)
            FloatExperts.Forward(call, kept, answers);
        else
            TorchExperts.Forward(call, kept, answers);
        return TokenSums.Of(answers, call.Weights, call.Plan);
    }

    /// <summary>The same by torch's own operations, which have gradients of any order.</summary>
    public static Tensor ByTorch(SwiGluCall call)
    {
        var rows = call.Tokens.index_select(0, call.TokenOfRow());
        var (weightsIn, weightsOut) = (call.In.unbind(0), call.Out.unbind(0));
        var answers = call.Plan.Segments.Select(segment =>
        {
            var both = nn.functional.linear(rows.narrow(0, segment.Start, segment.Count), weightsIn[segment.Expert]);
            var hidden = nn.functional.silu(both.narrow(1, 0, call.Hidden)) * both.narrow(1, call.Hidden, call.Hidden);
            return nn.functional.linear(hidden, weightsOut[segment.Expert]);
        });
        var none = zeros(1, call.Out.size(1), dtype: rows.dtype, device: CPU);
        var byToken = cat([.. answers, none]).index_select(0, call.Plan.RowOf).reshape(call.Plan.Tokens, call.Plan.TopK, -1);
        return call.Weights.to(rows.dtype).unsqueeze(1).bmm(byToken).squeeze(1);
    }
}
