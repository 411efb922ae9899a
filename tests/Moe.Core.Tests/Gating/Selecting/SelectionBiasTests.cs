using TorchSharp;
using static TorchSharp.torch;

namespace Moe.Core.Tests;

/// <summary>A bias that only chooses (auxiliary-loss-free balancing, DeepSeek-V3).</summary>
public sealed class SelectionBiasTests
{
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void Experts_are_chosen_by_score_and_bias_and_weighed_by_score_alone(int seed)
    {
        using var scope = NewDisposeScope();
        using var gate = Direct.Gate(PublishedGates.DeepSeekV3(6, 6, topK: 2, scalingFactor: 2.5));
        gate.SelectionBias!.copy_(Make.Normal(seed, 6) * 0.5);
        var z = Make.Normal(seed + 10, 50, 6);
        using var decision = gate.Route(z);

        var bias = Compare.Doubles(gate.SelectionBias!);
        var weights = Direct.Weights(decision);
        foreach (var (row, t) in Direct.Rows(z).Select((row, t) => (row, t)))
        {
            var s = row.Select(logit => 1 / (1 + Math.Exp(-logit))).ToArray();
            var best = Enumerable.Range(0, 6).OrderByDescending(e => s[e] + bias[e]).Take(2).ToArray();
            for (var e = 0; e < 6; e++)
                weights[t][e].Should().BeApproximately(best.Contains(e) ? 2.5 * s[e] / best.Sum(other => s[other]) : 0, 1e-14);
        }
        Compare.Close(decision.Scores, z.sigmoid(), 1e-15);
    }

    [Fact]
    public void A_softmax_is_biased_after_it_is_taken()
    {
        using var scope = NewDisposeScope();
        using var gate = Direct.Gate(Direct.Options(3, 1) with { SelectionBias = true, Softmax = SoftmaxOrder.BeforeSelection });
        gate.SelectionBias!.copy_(tensor(new[] { 0, 0.3, 0.0 }));
        using var decision = gate.Route(tensor(new double[] { 1, 0, -1 }).reshape(1, 3));

        // 0.665 against 0.245 + 0.3; with 0.5 the scores turn over, logits (1 against 0.5) would not.
        Compare.Longs(decision.Indices).Should().Equal(0);
        gate.SelectionBias.copy_(tensor(new[] { 0, 0.5, 0.0 }));
        using var turned = gate.Route(tensor(new double[] { 1, 0, -1 }).reshape(1, 3));
        Compare.Longs(turned.Indices).Should().Equal(1);
        Compare.Doubles(turned.Weights)[0].Should().BeApproximately(1 / (1 + Math.E + Math.Exp(-1)), 1e-15);
    }

    [Fact]
    public void The_bias_is_a_buffer_that_begins_at_zero_stays_wide_and_gets_no_gradient()
    {
        using var scope = NewDisposeScope();
        using var layer = Make.Layer(Make.Options() with { Score = ScoreFunction.Sigmoid, SelectionBias = true }, type: ScalarType.Float32);
        var bias = layer.Network.SelectionBias!;

        Compare.Doubles(bias).Should().Equal(0, 0, 0, 0);
        bias.requires_grad.Should().BeFalse();
        layer.named_buffers().Select(pair => pair.name).Should().Contain("gate.selection_bias");
        layer.named_parameters().Select(pair => pair.name).Should().NotContain("gate.selection_bias");
        layer.to(ScalarType.BFloat16);
        layer.Network.SelectionBias!.dtype.Should().Be(ScalarType.Float32);
    }
}
