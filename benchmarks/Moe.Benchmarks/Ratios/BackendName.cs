using Moe.Core;
using static TorchSharp.torch;

namespace Moe.Benchmarks.Ratios;

/// <summary>How the layer computes its experts.</summary>
internal static class BackendName
{
    /// <summary>Loops of our own, over rows where all experts have few, else over panels; or products of torch.</summary>
    public static string Of(MixtureOfExperts mixture, Tensor tokens)
    {
        using var noGrad = no_grad();
        using var scope = NewDisposeScope();
        using var decision = mixture.Gate.Route(tokens);
        var plan = new FusedPlan(decision, AssignmentOrder.Of(decision), tokens.dtype);
        return !plan.ByLoops ? "torch" : !RowProducts.AreMany(plan.Most, (int)tokens.size(-1)) ? "rows" : "panels";
    }
}
