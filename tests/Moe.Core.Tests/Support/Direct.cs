using static TorchSharp.torch;

namespace Moe.Core.Tests;

/// <summary>Gates whose logits are their tokens, so that a test says what the logits are.</summary>
internal static class Direct
{
    public static GatingOptions Options(int experts, int topK) => Make.Options(experts, topK, experts);

    public static GatingNetwork Gate(GatingOptions options, ScalarType type = ScalarType.Float64)
    {
        using var noGrad = no_grad();
        using var scope = NewDisposeScope();
        var gate = new GatingNetwork(options, dtype: type);
        gate.Weight.copy_(eye(options.ExpertCount));
        return gate;
    }

    /// <summary>One token many times.</summary>
    public static Tensor Repeated(int times, params double[] logits) => tensor(logits).unsqueeze(0).expand(times, logits.Length).contiguous();

    /// <summary>A matrix by its rows.</summary>
    public static double[][] Rows(Tensor matrix) => [.. Compare.Doubles(matrix).Chunk((int)matrix.size(1))];

    /// <summary>Which experts each token was sent to, in the order of their numbers.</summary>
    public static int[][] Sent(RoutingDecision decision)
    {
        var kept = Compare.Bools(decision.Kept);
        var experts = Compare.Longs(decision.Indices);
        return
        [
            .. Enumerable.Range(0, (int)decision.TokenCount).Select(token => Enumerable.Range(token * decision.TopK, decision.TopK)
                .Where(at => kept[at]).Select(at => (int)experts[at]).Order().ToArray()),
        ];
    }

    /// <summary>The weight of each expert for each token, [T][E]; 0 for those that are not asked.</summary>
    public static double[][] Weights(RoutingDecision decision)
    {
        using var scope = NewDisposeScope();
        return Rows(zeros_like(decision.Scores.detach()).scatter_add(1, decision.Indices, decision.Weights.detach()));
    }
}
