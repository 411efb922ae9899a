using Moe.Core;
using static TorchSharp.torch;

namespace Moe.Benchmarks.Ratios;

/// <summary>How the layer computes its experts.</summary>
internal static class BackendName
{
    /// <summary>
    /// In one step (on the CPU): loops of our own, over rows where all experts have few, else over panels; or products of torch. Otherwise the name of the way in
    /// which the whole stack answers.
    /// </summary>
    public static string Of(MixtureOfExperts mixture, Tensor tokens)
    {
        using var noGrad = no_grad();
        using var scope = NewDisposeScope();
        using var decision = mixture.Gate.Route(tokens);
        var stack = ((StackedExperts.Slice)mixture.Experts[0]).Stack;
        if (!SwiGluMixture.Takes(stack, decision))
        {
            var dispatch = DispatchPlan.From(decision);
            return StackProducts.For(stack, dispatch.Gather(tokens), [.. dispatch.RowsPerExpert]).Name;
        }

        var call = new SwiGluCall(tokens, decision.Weights, stack.Weight(0), stack.Weight(1), new FusedPlan(decision, AssignmentOrder.Of(decision)));
        return !call.ByLoops ? "torch" : RowProducts.AreMany(call.Plan.Most, (int)tokens.size(-1)) ? "panels" : "rows";
    }
}
