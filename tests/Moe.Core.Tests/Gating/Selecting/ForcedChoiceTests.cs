using static TorchSharp.torch;

namespace Moe.Core.Tests;

/// <summary>Choices that the caller makes: forced, or recorded and replayed.</summary>
public sealed class ForcedChoiceTests
{
    private static readonly Dictionary<string, GatingOptions> Gates = new()
    {
        ["dense"] = PublishedGates.Dense(6, 6),
        ["shazeer"] = PublishedGates.Shazeer(6, 6),
        ["gshard"] = PublishedGates.GShard(6, 6),
        ["switch"] = PublishedGates.Switch(6, 6) with { InputJitter = 0 },
        ["v-moe"] = PublishedGates.VMoE(6, 6) with { Noise = null },
        ["base"] = PublishedGates.Base(6, 6),
        ["x-moe"] = PublishedGates.XMoE(6, 6),
        ["sinkhorn"] = PublishedGates.Sinkhorn(6, 6, topK: 2),
        ["expert choice"] = PublishedGates.ExpertChoice(6, 6),
        ["qwen"] = PublishedGates.Qwen(6, 6, 3, renormalize: true),
        ["deepseek-v2"] = PublishedGates.DeepSeekV2(6, 6, 2, 3, 2),
        ["deepseek-v3"] = PublishedGates.DeepSeekV3(6, 6, 2, 3, 2, 2.5),
        ["llama 4"] = PublishedGates.Llama4(6, 6),
        ["phimoe"] = PublishedGates.PhiMoE(6, 6),
        ["remoe"] = PublishedGates.ReMoE(6, 6),
        ["top-p"] = Direct.Options(6, 4) with { Selection = new TopPSelection() },
        ["threshold"] = Direct.Options(6, 4) with { Score = ScoreFunction.Sigmoid, Renormalize = true, Selection = new ThresholdSelection { Threshold = 0.6 } },
        ["null"] = Direct.Options(6, 2) with { NullExperts = 3 },
        ["renormalize kept"] = Direct.Options(6, 2) with { Capacity = new() { Factor = 0.7, EvaluationFactor = 0.7, RenormalizeKept = true } },
    };

    /// <summary>Each gate in both modes, with and without padding; noise is drawn anew, so those that draw some are left out while training.</summary>
    public static TheoryData<string, bool, bool> Replays
    {
        get
        {
            var cases = new TheoryData<string, bool, bool>();
            foreach (var name in Gates.Keys)
            {
                cases.Add(name, false, false);
                cases.Add(name, false, true);
                if (name is "shazeer" or "phimoe")
                    continue;
                cases.Add(name, true, false);
                cases.Add(name, true, true);
            }
            return cases;
        }
    }

    [Theory]
    [MemberData(nameof(Replays))]
    public void A_replayed_decision_is_the_original_to_the_bit(string name, bool training, bool masked)
    {
        using var scope = NewDisposeScope();
        using var gate = Make.Gate(Gates[name], seed: 3);
        gate.train(training);
        var x = Make.Normal(1, 3, 8, 6);
        var mask = masked ? Make.Normal(2, 3, 8).gt(-0.5) : null;
        using var original = gate.Route(x, mask);
        var forced = RoutingTrace.From(original).ForcedIndices(0, x);

        using var replayed = gate.Route(x, new RoutingContext { Mask = mask, ForcedIndices = forced });

        Compare.SameBits(replayed.Indices.masked_fill(replayed.Kept.bitwise_not(), -1), original.Indices.masked_fill(original.Kept.bitwise_not(), -1));
        Compare.SameBits(replayed.Weights, original.Weights);
        Compare.SameBits(replayed.Scores, original.Scores);
        replayed.Load.Should().Equal(original.Load);
        replayed.Assigned.Should().Equal(original.Assigned);
        replayed.Capacity.Should().Be(original.Capacity);
    }

    [Theory]
    [InlineData(SoftmaxOrder.AfterSelection)]
    [InlineData(SoftmaxOrder.BeforeSelection)]
    public void Weights_of_forced_experts_are_computed_anew_and_learn(SoftmaxOrder order)
    {
        using var scope = NewDisposeScope();
        using var gate = Direct.Gate(Direct.Options(4, 2) with { Softmax = order });
        var z = Make.Normal(1, 2, 4);
        var context = new RoutingContext { ForcedIndices = tensor(new long[] { 3, 0, 1, 2, 0, 1 }).reshape(2, 3) };
        using var decision = gate.Route(z, context);

        decision.TopK.Should().Be(3);
        var chosen = z.gather(1, context.ForcedIndices!);
        Compare.SameBits(decision.Indices, context.ForcedIndices!);
        Compare.Close(decision.Weights, order == SoftmaxOrder.AfterSelection ? chosen.softmax(1) : z.softmax(1).gather(1, decision.Indices), 1e-15);
        Make.Gradients(gate, z, input => gate.Route(input, context).Weights)["weight"].abs().max().item<double>().Should().BeGreaterThan(1e-3);
    }

    [Fact]
    public void The_complement_of_an_expert_was_considered_but_not_taken()
    {
        using var scope = NewDisposeScope();
        using var over = Direct.Gate(Direct.Options(4, 2) with { Selection = new StochasticSelection(), Softmax = SoftmaxOrder.BeforeSelection, Renormalize = true });
        using var among = Direct.Gate(Direct.Options(4, 2) with { Softmax = SoftmaxOrder.BeforeSelection, Renormalize = true });
        var p = new[] { 0.4, 0.3, 0.2, 0.1 };
        var z = tensor(p.Select(share => Math.Log(share)).ToArray()).reshape(1, 4);
        var context = new RoutingContext { ForcedIndices = tensor(new long[] { 0, ~1 }).reshape(1, 2) };

        // Normalised over all that were considered, and over what was taken.
        using var normalisedBefore = over.Route(z, context);
        using var normalisedAfter = among.Route(z, context);
        Compare.Doubles(normalisedBefore.Weights)[0].Should().BeApproximately(0.4 / 0.7, 1e-15);
        Compare.Doubles(normalisedAfter.Weights)[0].Should().BeApproximately(1, 1e-15);
        normalisedBefore.Load.Should().Equal(1, 0, 0, 0);
        normalisedAfter.Load.Should().Equal(1, 0, 0, 0);
        Compare.Doubles(normalisedBefore.Weights)[1].Should().Be(0);
    }

    [Fact]
    public void Minus_one_is_no_expert_as_often_as_one_likes()
    {
        using var scope = NewDisposeScope();
        using var gate = Direct.Gate(Direct.Options(4, 2));
        using var decision = gate.Route(Make.Normal(1, 2, 4), new RoutingContext { ForcedIndices = tensor(new long[] { -1, -1, -1, -1, 2, -1 }).reshape(2, 3) });

        Direct.Sent(decision).Should().BeEquivalentTo(new int[][] { [], [2] }, options => options.WithStrictOrdering());
        Compare.Doubles(decision.Weights).Should().Equal(0, 0, 0, 0, 1, 0);
    }

    [Theory]
    [InlineData(new long[] { 0, 4, 1, 2 }, 1)]
    [InlineData(new long[] { 0, -6, 1, 2 }, 1)]
    [InlineData(new long[] { 0, 0, 1, 1 }, 2)]
    [InlineData(new long[] { 9, 9, long.MinValue, long.MaxValue }, 5)]
    public void Experts_out_of_range_or_twice_in_a_row_are_refused_with_their_number(long[] forced, int wrong)
    {
        using var scope = NewDisposeScope();
        using var gate = Direct.Gate(Direct.Options(4, 2));

        gate.Invoking(g => g.Route(Make.Normal(1, 2, 4), new RoutingContext { ForcedIndices = tensor(forced).reshape(2, 2) }))
            .Should().Throw<ArgumentException>()
            .WithMessage($"Expected token ids and forced experts in range, no expert twice in a row, got {wrong} entries that are not.");
    }

    [Fact]
    public void What_is_forced_on_padding_does_not_matter()
    {
        using var scope = NewDisposeScope();
        using var gate = Direct.Gate(Direct.Options(4, 2));
        using var decision = gate.Route(Make.Normal(1, 2, 4), new RoutingContext
        {
            ForcedIndices = tensor(new long[] { 1, 3, 77, 77 }).reshape(2, 2),
            Mask = Make.Mask(1, 0),
        });

        decision.Load.Should().Equal(0, 1, 0, 1);
    }

    [Fact]
    public void More_choices_than_experts_and_wrong_shapes_are_refused()
    {
        using var scope = NewDisposeScope();
        using var gate = Direct.Gate(Direct.Options(4, 2));
        void Route(Tensor forced) => gate.Route(Make.Normal(1, 2, 4), new RoutingContext { ForcedIndices = forced });

        FluentActions.Invoking(() => Route(zeros(2, 5, dtype: ScalarType.Int64))).Should().Throw<ArgumentException>()
            .WithMessage("Expected ForcedIndices with 1 to 4 experts a token in the last dimension, got shape [2, 5].");
        FluentActions.Invoking(() => Route(zeros(3, 2, dtype: ScalarType.Int64))).Should().Throw<ArgumentException>()
            .WithMessage("Expected ForcedIndices of shape [2, 2] and type Int64, got [3, 2] of Int64.*");
        FluentActions.Invoking(() => Route(zeros(2, 2))).Should().Throw<ArgumentException>()
            .WithMessage("Expected ForcedIndices of shape [2, 2] and type Int64, got [2, 2] of Float32.*");
    }
}
