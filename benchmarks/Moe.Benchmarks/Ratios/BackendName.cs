using Moe.Core;
using static TorchSharp.torch;

namespace Moe.Benchmarks.Ratios;

/// <summary>How the layer computes its experts.</summary>
internal static class BackendName
{
    /// <summary>Our own loops for experts with few rows, torch's products for those with many, or some of each.</summary>
    public static string Of(MixtureOfExperts mixture, Tensor tokens)
    {
        using var noGrad = no_grad();
        using var scope = NewDisposeScope();
        using var decision = mixture.Gate.Route(tokens);
        var plan = new FusedPlan(decision, AssignmentOrder.Of(decision), tokens.dtype);
        return plan.Few.Length == 0 ? "many rows" : plan.Many.Length == 0 ? "few rows" : "few and many rows";
    }
}
