using static TorchSharp.torch;

namespace Moe.Core;

/// <summary>
/// Gather, SwiGLU experts and weighted sum as one node of autograd. It keeps the products with W_gate and W_up and nothing else: rows are gathered and
/// hidden rows computed again, and answers are not needed (see <see cref="SlopeWork"/>).
/// </summary>
/// <remarks>
/// Arguments: tokens [T, D], weights [T, K], W_gate and W_up [E, 2F, D], W_down [E, Dout, F], the plan. For a gradient of a gradient everything is computed anew by
/// torch's own operations.
/// </remarks>
internal sealed class SwiGluFunction : autograd.SingleTensorFunction<SwiGluFunction>
{
    private const string Plan = nameof(Plan);

    public override string Name => nameof(SwiGluFunction);

    public override Tensor forward(autograd.AutogradContext ctx, params object[] vars)
    {
        var call = new SwiGluCall((Tensor)vars[0], (Tensor)vars[1], (Tensor)vars[2], (Tensor)vars[3], (FusedPlan)vars[4]);
        using var scope = NewDisposeScope();
        var kept = SwiGluMixture.NewKept(call);
        var output = SwiGluMixture.Compute(call, kept);
        ctx.save_for_backward([call.Tokens, call.Weights, call.In, call.Out, kept, call.Plan.Assignments, call.Plan.RowOf]);
        ctx.save_data(Plan, call.Plan);
        ctx.set_materialize_grads(false);
        scope.MoveToOuter(kept);
        return scope.MoveToOuter(output);
    }

    public override List<Tensor> backward(autograd.AutogradContext ctx, Tensor grad_output)
    {
        using var scope = NewDisposeScope();
        var saved = ctx.get_saved_variables();
        var plan = ((FusedPlan)ctx.get_data(Plan)).With(new AssignmentOrder(saved[5], saved[6]));
        var call = new SwiGluCall(saved[0], saved[1], saved[2], saved[3], plan);
        if (grad_output.IsInvalid)
            return [null!, null!, null!, null!, null!];
        var gradients = is_grad_enabled() ? Differentiable(call, grad_output) : Gradients(call, grad_output.contiguous(), saved[4]);
        foreach (var gradient in gradients.OfType<Tensor>())
            scope.MoveToOuter(gradient);
        return [.. gradients, null!];
    }

    private static List<Tensor> Gradients(in SwiGluCall call, Tensor gradient, Tensor kept)
    {
        var into = new SwiGluGradients(
            call.In.requires_grad ? empty_like(call.In) : null,
            call.Out.requires_grad ? empty_like(call.Out) : null,
            empty(call.Plan.Rows, dtype: call.Weights.dtype, device: CPU),
            call.Tokens.requires_grad);
        var rows = call.ByLoops ? FloatExperts.Backward(call, gradient, kept, into) : TorchExperts.Backward(call, gradient, kept, into);
        return
        [
            rows is null ? null! : TokenSums.Of(rows, null, call.Plan),
            call.Weights.requires_grad ? ToAssignments(into.WeightOfRow, call) : null!,
            into.In!,
            into.Out!,
        ];
    }

    /// <summary>From rows back to [T, K]; 0 for what was not kept.</summary>
    private static Tensor ToAssignments(Tensor byRow, in SwiGluCall call) =>
        zeros_like(call.Weights).reshape(-1).index_copy_(0, call.Plan.Assignments, byRow).reshape(call.Weights.shape);

    private static List<Tensor> Differentiable(in SwiGluCall call, Tensor gradient)
    {
        Tensor[] inputs = [call.Tokens, call.Weights, call.In, call.Out];
        var wanted = inputs.Where(input => input.requires_grad).ToArray();
        var found = autograd.grad([SwiGluMixture.ByTorch(call)], wanted, [gradient], retain_graph: true, create_graph: true, allow_unused: true);
        var next = 0;
        return [.. inputs.Select(input => input.requires_grad ? found[next++] : null!)];
    }
}
