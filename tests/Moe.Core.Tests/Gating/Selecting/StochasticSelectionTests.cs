using static TorchSharp.torch;

namespace Moe.Core.Tests;

/// <summary>Further experts by chance: GShard (Lepikhin et al. 2020), ST-MoE.</summary>
public sealed class StochasticSelectionTests
{
    private const int Draws = 20000;

    private static readonly double[] Logits = [1.2, -1.5, 0.4, -0.3];

    [Theory]
    [InlineData(2, 0.5)]
    [InlineData(3, 0.5)]
    [InlineData(3, 0.2)]
    [InlineData(4, 3.0)]
    public void A_further_expert_is_taken_with_its_weight_over_the_threshold_as_probability(int topK, double threshold)
    {
        using var scope = NewDisposeScope();
        using var gate = Gate(topK, threshold);
        using var decision = gate.Route(Direct.Repeated(Draws, Logits));

        var (best, g) = Best(topK);
        decision.Load[best[0]].Should().Be(Draws);
        for (var k = 1; k < topK; k++)
        {
            var p = Math.Min(1, g[k] / threshold);
            ((double)decision.Load[best[k]] / Draws).Should().BeApproximately(p, 4 * Math.Sqrt(p * (1 - p) / Draws));
        }
    }

    [Theory]
    [InlineData(SoftmaxOrder.AfterSelection, false)]
    [InlineData(SoftmaxOrder.BeforeSelection, true)]
    public void Weights_are_normalised_before_any_expert_is_left_out(SoftmaxOrder order, bool renormalize)
    {
        using var scope = NewDisposeScope();
        using var gate = Direct.Gate(Direct.Options(4, 3) with { Selection = new StochasticSelection(), Softmax = order, Renormalize = renormalize });
        using var decision = gate.Route(Direct.Repeated(50, Logits));

        var (_, g) = Best(3);
        var kept = Compare.Bools(decision.Kept);
        kept.Should().Contain(false).And.HaveCount(150);
        Compare.Doubles(decision.Weights).Zip(kept).Select((pair, at) => (pair.First, pair.Second, At: at % 3)).Should().AllSatisfy(
            entry => entry.First.Should().BeApproximately(entry.Second ? g[entry.At] : 0, 1e-14));
        Compare.Bools(decision.Chosen!).Should().Equal(kept);
        decision.Dropped.Should().Be(0, "what is not taken was never assigned");
    }

    [Fact]
    public void In_evaluation_mode_all_K_are_taken_and_nothing_is_drawn()
    {
        using var scope = NewDisposeScope();
        using var generator = new Generator(3);
        using var gate = Gate(3, 0.5);
        gate.Generator = generator;
        gate.eval();
        var state = Compare.Bits(generator.get_state());
        using var decision = gate.Route(Direct.Repeated(50, Logits));

        decision.Load.Should().Equal(50, 0, 50, 50);
        decision.Chosen.Should().BeNull();
        Compare.Bits(generator.get_state()).Should().Equal(state);
    }

    [Fact]
    public void The_same_seed_takes_the_same_experts()
    {
        using var scope = NewDisposeScope();
        using var gate = Gate(3, 0.5);
        int[][] Sent()
        {
            using var generator = new Generator(3);
            gate.Generator = generator;
            return Direct.Sent(gate.Route(Direct.Repeated(50, Logits)));
        }

        Sent().Should().BeEquivalentTo(Sent(), options => options.WithStrictOrdering());
    }

    private static GatingNetwork Gate(int topK, double threshold) =>
        Direct.Gate(Direct.Options(4, topK) with { Selection = new StochasticSelection { Threshold = threshold } });

    /// <summary>The K best experts, and their shares among the K.</summary>
    private static (int[] Experts, double[] Shares) Best(int topK)
    {
        var best = Enumerable.Range(0, 4).OrderByDescending(e => Logits[e]).Take(topK).ToArray();
        var sum = best.Sum(e => Math.Exp(Logits[e]));
        return (best, [.. best.Select(e => Math.Exp(Logits[e]) / sum)]);
    }
}
