using static TorchSharp.torch;

namespace Moe.Core.Tests;

/// <summary>What published routers got wrong in choosing and weighing, each named after it.</summary>
public sealed class SelectionBugs
{
    // huggingface/transformers #45440
    [Fact]
    public void Losing_groups_were_set_to_zero_and_won_over_negative_scores()
    {
        using var scope = NewDisposeScope();
        using var gate = Direct.Gate(PublishedGates.DeepSeekV3(6, 6, topK: 2, groups: 3, keptGroups: 1));
        gate.SelectionBias!.fill_(-2);
        using var decision = gate.Route(tensor(new double[] { 1, 2, 3, 4, -1, -2 }).reshape(1, 6));

        Compare.Longs(decision.Indices).Should().Equal(3, 2);
    }

    // huggingface/transformers #41647
    [Fact]
    public void The_bias_leaked_into_the_weights()
    {
        using var scope = NewDisposeScope();
        using var gate = Direct.Gate(Direct.Options(3, 2) with { Score = ScoreFunction.Sigmoid, SelectionBias = true });
        var z = Make.Normal(1, 30, 3);
        using var before = gate.Route(z, new RoutingContext());
        gate.SelectionBias!.copy_(tensor(new[] { 0.4, -0.3, 0.1 }));
        using var after = gate.Route(z);

        Compare.Longs(after.Indices).Should().NotEqual(Compare.Longs(before.Indices));
        Compare.SameBits(after.Weights, z.sigmoid().gather(1, after.Indices));
    }

    // flashinfer-ai/flashinfer #3875
    [Fact]
    public void Scores_were_recovered_by_taking_the_bias_off_again()
    {
        using var scope = NewDisposeScope();
        using var gate = Direct.Gate(Direct.Options(3, 2) with { Score = ScoreFunction.Sigmoid, SelectionBias = true }, ScalarType.Float32);
        // (s + 1e6) - 1e6 has four bits of s left.
        gate.SelectionBias!.copy_(tensor(new[] { 1e6f, 1e6f, 0 }));
        var z = Make.Normal(1, ScalarType.Float32, 30, 3);
        using var decision = gate.Route(z);

        Compare.SameBits(decision.Weights, z.sigmoid().gather(1, decision.Indices));
    }

    // microsoft/DeepSpeed: top2gating adds Gumbel noise to the logits in place, which its loss and weights then see
    [Fact]
    public void Noise_was_added_to_the_logits_in_place()
    {
        using var scope = NewDisposeScope();
        foreach (var noise in new RoutingNoise[] { new GumbelNoise(), new GaussianNoise(), new LearnedNoise() })
        {
            using var gate = Direct.Gate(Direct.Options(4, 2) with { Noise = noise, Temperature = 0.5 });
            var z = Make.Normal(1, 10, 4);
            var before = Compare.Bits(z);
            using var decision = gate.Route(z);

            Compare.SameBits(decision.Logits, z);
            Compare.Bits(z).Should().Equal(before);
            Compare.Distance(decision.PerturbedLogits, z / 0.5).Should().BeGreaterThan(0.1);
        }
    }

    // lucidrains/st-moe-pytorch: a view of the mask is changed in place
    [Fact]
    public void The_caller_s_mask_was_changed_in_place_or_changed_the_decision_later()
    {
        using var scope = NewDisposeScope();
        using var gate = Direct.Gate(Direct.Options(4, 2) with { Capacity = new() { Factor = 0.5, Scope = TokenScope.Sequence } });
        var mask = Make.Mask(1, 1, 0, 1, 0, 0).reshape(2, 3);
        var before = Compare.Bits(mask);
        using var decision = gate.Route(Make.Normal(1, 2, 3, 4), mask);

        Compare.Bits(mask).Should().Equal(before);
        mask.fill_(false);
        Compare.Bools(decision.Mask!).Should().Equal(true, true, false, true, false, false);
    }

    // deepseek-ai: each choice of a token is to be another expert; ties must not send it to one twice
    [Fact]
    public void A_token_was_sent_to_the_same_expert_twice_when_logits_tied()
    {
        using var scope = NewDisposeScope();
        GatingOptions[] gates =
        [
            PublishedGates.Mixtral(4, 4), PublishedGates.GShard(4, 4), PublishedGates.DeepSeekV3(4, 4, 2, 2, 1), PublishedGates.PhiMoE(4, 4),
            PublishedGates.Sinkhorn(4, 4, 2), PublishedGates.ExpertChoice(4, 4),
        ];
        foreach (var options in gates)
        {
            using var gate = Direct.Gate(options);
            foreach (var row in Direct.Sent(gate.Route(zeros(6, 4, dtype: ScalarType.Float64))))
                row.Should().OnlyHaveUniqueItems();
        }
    }
}
