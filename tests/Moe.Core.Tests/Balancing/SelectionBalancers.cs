using static TorchSharp.torch;

namespace Moe.Core.Tests;

/// <summary>Gates to be balanced by their selection bias.</summary>
internal static class SelectionBalancers
{
    /// <summary>A sigmoid gate that chooses by score + bias.</summary>
    public static GatingNetwork Gate(int experts = 4, int topK = 2, int seed = 1, ScalarType type = ScalarType.Float64) => Make.Gate(
        Make.Options(experts, topK) with { Score = ScoreFunction.Sigmoid, SelectionBias = true, Renormalize = true, Bias = true }, seed, type);

    /// <summary>A gate whose own bias sends most tokens to the same few experts.</summary>
    public static GatingNetwork Skewed(int experts = 8, int topK = 2)
    {
        var gate = Gate(experts, topK);
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        gate.Bias!.copy_(linspace(-1.5, 1.5, experts, dtype: ScalarType.Float64));
        return gate;
    }

    /// <summary>The selection bias as numbers.</summary>
    public static double[] BiasOf(GatingNetwork gate) => Compare.Doubles(gate.SelectionBias!);

    /// <summary>Sets the selection bias.</summary>
    public static void SetBias(GatingNetwork gate, params double[] bias)
    {
        using var noGrad = no_grad();
        using var values = tensor(bias);
        gate.SelectionBias!.copy_(values);
    }

    /// <summary>One global batch of one micro-batch; gives how unequal its load was.</summary>
    public static double Balance(SelectionBalancer balancer, GatingNetwork gate, Tensor tokens)
    {
        using var scope = NewDisposeScope();
        using var decision = gate.Route(tokens);
        balancer.Update(gate, [balancer.Observe(gate, decision)]);
        return RoutingReport.From(decision).MaxOverMean;
    }
}
