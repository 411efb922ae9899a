using static TorchSharp.torch;

namespace Moe.Core.Tests;

/// <summary>As many experts as a token needs: by a threshold on the scores, or by how much of the probability they hold.</summary>
public sealed class ThresholdSelectionTests
{
    public static TheoryData<int, int, double, bool, bool> Thresholds => new()
    {
        { 1, 5, 0.5, true, false },
        { 2, 5, 0.5, false, false },
        { 3, 3, 0.7, true, false },
        { 4, 3, 0.9, false, true },
        { 5, 5, 2.0, true, true },
    };

    [Theory]
    [MemberData(nameof(Thresholds))]
    public void Those_of_the_K_best_whose_score_and_bias_are_above_the_threshold_are_taken(int seed, int topK, double threshold, bool alwaysBest, bool biased)
    {
        using var scope = NewDisposeScope();
        using var gate = Direct.Gate(Direct.Options(5, topK) with
        {
            Score = ScoreFunction.Sigmoid,
            SelectionBias = biased,
            Selection = new ThresholdSelection { Threshold = threshold, AlwaysBest = alwaysBest },
        });
        if (biased)
            gate.SelectionBias!.copy_(Make.Normal(seed, 5) * 0.3);
        var z = Make.Normal(seed, 100, 5) * 2;
        using var decision = gate.Route(z);

        var bias = biased ? Compare.Doubles(gate.SelectionBias!) : new double[5];
        var expected = Direct.Rows(z).Select(row =>
        {
            var keys = row.Select((logit, e) => 1 / (1 + Math.Exp(-logit)) + bias[e]).ToArray();
            var best = Enumerable.Range(0, 5).OrderByDescending(e => keys[e]).Take(topK).ToArray();
            return best.Where((e, rank) => keys[e] > threshold || (alwaysBest && rank == 0)).Order().ToArray();
        });
        Direct.Sent(decision).Should().BeEquivalentTo(expected, options => options.WithStrictOrdering());
        decision.Assigned.Sum().Should().Be(Direct.Sent(decision).Sum(row => row.Length));
    }

    [Fact]
    public void ReMoE_asks_the_experts_with_positive_logits_and_weighs_them_by_these()
    {
        using var scope = NewDisposeScope();
        using var layer = new MixtureOfExperts(
            Direct.Gate(PublishedGates.ReMoE(4, 4)), StackedExperts.FeedForward(4, Make.FeedForward(), dtype: ScalarType.Float64));
        var z = cat([Make.Normal(3, 20, 4), -ones(1, 4, dtype: ScalarType.Float64)]);
        using var result = layer.ForwardWithRouting(z);

        Compare.Close(result.Routing.Weights, z.relu(), 1e-15);
        var experts = Textbook.StackOf(layer);
        var expected = Enumerable.Range(0, 21).Select(t => Enumerable.Range(0, 4)
            .Select(e => z[t, e].relu() * experts[e](z[t].unsqueeze(0))).Aggregate((left, right) => left + right));
        Compare.Close(result.Output, cat([.. expected]), 1e-12);
        Compare.Doubles(result.Output[20]).Should().OnlyContain(value => value == 0, "no expert was above 0 for it");
    }

    [Theory]
    [InlineData(1, 6, 0.4)]
    [InlineData(2, 6, 0.8)]
    [InlineData(3, 3, 0.99)]
    [InlineData(4, 6, 1.0)]
    public void The_fewest_best_experts_that_hold_the_probability_are_taken(int seed, int topK, double probability)
    {
        using var scope = NewDisposeScope();
        using var gate = Direct.Gate(Direct.Options(6, topK) with { Selection = new TopPSelection { Probability = probability } });
        var z = Make.Normal(seed, 100, 6) * 1.5;
        using var decision = gate.Route(z);

        var weights = Direct.Weights(decision);
        var sent = Direct.Sent(decision);
        foreach (var (row, t) in Direct.Rows(z).Select((row, t) => (row, t)))
        {
            var p = row.Select(logit => Math.Exp(logit) / row.Sum(Math.Exp)).ToArray();
            var best = Enumerable.Range(0, 6).OrderByDescending(e => p[e]).Take(topK).ToArray();
            var (sum, taken) = (0.0, new List<int>());
            foreach (var e in best)
            {
                if (sum >= probability)
                    break;
                taken.Add(e);
                sum += p[e];
            }
            sent[t].Should().Equal(taken.Order());
            for (var e = 0; e < 6; e++)
                weights[t][e].Should().BeApproximately(taken.Contains(e) ? p[e] / sum : 0, 1e-14);
        }
    }
}
