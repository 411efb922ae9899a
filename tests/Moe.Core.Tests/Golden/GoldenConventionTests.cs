using static TorchSharp.torch;

namespace Moe.Core.Tests;

/// <summary>The cases tell conventions apart: with one thing done as another system does it, the numbers are wrong by more than the tolerance.</summary>
public sealed class GoldenConventionTests
{
    public static TheoryData<string, string> Named
    {
        get
        {
            var data = new TheoryData<string, string>();
            foreach (var change in Changes)
                data.Add(change.Case, change.Convention);
            return data;
        }
    }

    [Theory]
    [MemberData(nameof(Named))]
    public void Another_convention_gives_other_numbers(string golden, string convention)
    {
        using var scope = NewDisposeScope();
        var change = Changes.Single(change => change.Case == golden && change.Convention == convention);

        change.Deviations(GoldenCase.Read(golden)).Where(deviation => deviation.IsTooLarge).Select(deviation => deviation.What).Should().Contain(change.Wrong);
    }

    [Fact]
    public void The_dispatch_of_ST_MoE_has_a_gradient_and_no_other_effect()
    {
        using var scope = NewDisposeScope();
        using var block = StMoeBlock.Build(GoldenCase.Read("st_moe_train"), gate => gate with { WeightTarget = WeightTarget.Output });

        block.Answer().Wrong().Should().BeEquivalentTo("grad_input", "grad.gate.to_gates.weight");
    }

    private static readonly Change[] Changes =
    [
        Change.Gate("mixtral", "softmax over all experts", "output", gate => gate with { Softmax = SoftmaxOrder.BeforeSelection }),
        Change.Gate("mixtral", "one expert less", "selected_experts", gate => gate with { TopK = gate.TopK - 1 }),
        Change.Gate("mixtral", "weights on the experts' input", "output", gate => gate with { WeightTarget = WeightTarget.Input }),
        Change.Expert("mixtral", "GEGLU", "output", expert => expert with { Activation = Activation.Gelu }),
        Change.Gate("mixtral_fused", "softmax over all experts", "routing_weights", gate => gate with { Softmax = SoftmaxOrder.BeforeSelection }),
        Change.Gate("qwen2_moe", "renormalised", "output", gate => gate with { Renormalize = true }),
        Change.Gate("qwen3_moe", "not renormalised", "output", gate => gate with { Renormalize = false }),
        Change.Gate("qwen3_moe", "renormalised by the 2-norm", "routing_weights", gate => gate with { NormPower = 2 }),
        Change.Gate("olmoe", "softmax over the chosen experts", "output", gate => gate with { Softmax = SoftmaxOrder.AfterSelection }),
        Change.Gate("granitemoe", "softmax over all experts", "output", gate => gate with { Softmax = SoftmaxOrder.BeforeSelection }),
        Change.Gate("deepseek_v3", "not renormalised", "output", gate => gate with { Renormalize = false }),
        Change.Gate("deepseek_v3", "not scaled", "routing_weights", gate => gate with { ScalingFactor = 1 }),
        Change.Gate("deepseek_v3", "softmax for sigmoid", "routing_weights", gate => gate with { Score = ScoreFunction.Softmax }),
        Change.Gate("deepseek_v3", "all groups", "selected_experts", gate => gate with { Selection = SelectionRule.TopK }),
        Change.Gate("deepseek_v3", "groups by their best expert", "selected_experts", gate => gate with { Selection = (GroupLimitedSelection)gate.Selection with { ScoresPerGroup = 1 } }),
        Change.Gate("deepseek_v3", "no bias in the choice", "selected_experts", gate => gate with { SelectionBias = false }),
        Change.Gate("gpt_oss", "softmax over all experts", "output", gate => gate with { Softmax = SoftmaxOrder.BeforeSelection }),
        Change.Gate("gpt_oss", "no bias in the router", "router_logits", gate => gate with { Bias = false }),
        Change.Expert("gpt_oss", "SwiGLU", "output", expert => expert with { Unit = null }),
        Change.Expert("gpt_oss", "no clamp", "output", expert => expert with { Unit = new ClampedSwiGlu { Limit = double.PositiveInfinity } }),
        Change.Expert("gpt_oss", "SiLU's slope", "output", expert => expert with { Unit = new ClampedSwiGlu { Slope = 1 } }),
        Change.Expert("gpt_oss", "no 1 added to up", "output", expert => expert with { Unit = new ClampedSwiGlu { Offset = 0 } }),
        Change.Expert("gpt_oss", "no bias in the experts", "output", expert => expert with { Bias = false }),
        Change.Gate("phimoe", "softmax over the chosen experts", "routing_weights", gate => gate with { Selection = SelectionRule.TopK }),
        Change.Gate("phimoe", "softmax over all experts", "routing_weights", gate => gate with { Selection = SelectionRule.TopK, Softmax = SoftmaxOrder.BeforeSelection }),
        Change.Gate("phimoe", "a wider rule for close", "routing_weights", gate => gate with { Selection = new SparseMixerSelection { Jitter = 0.1 } }),
        new("switch_transformers", "renormalised", "output", golden => SwitchBlock.Build(golden, gate => gate with { Renormalize = true })),
        new("switch_transformers", "one place an expert", "dropped", golden => SwitchBlock.Build(golden, gate => gate with { Capacity = gate.Capacity! with { Fixed = 1 } })),
        new("st_moe_train", "the second expert always", "kept", golden => StMoeBlock.Build(golden, gate => gate with { Selection = SelectionRule.TopK })),
        new("st_moe_train", "GShard's threshold", "kept", golden => StMoeBlock.Build(golden, gate => gate with { Selection = new StochasticSelection() })),
        new("st_moe_train", "places over the whole batch", "kept", golden => StMoeBlock.Build(golden, gate => gate with { Capacity = gate.Capacity! with { Scope = TokenScope.Batch, Minimum = 0 } })),
        new("st_moe_train", "places by position", "kept", golden => StMoeBlock.Build(golden, gate => gate with { Capacity = gate.Capacity! with { Overflow = Overflow.Position } })),
        new("st_moe_train", "places for K choices", "kept", golden => StMoeBlock.Build(golden, gate => gate with { Capacity = gate.Capacity! with { Factor = gate.Capacity!.Factor * gate.TopK } })),
        new("st_moe_train", "renormalised after dropping", "output", golden => StMoeBlock.Build(golden, gate => gate with { Capacity = gate.Capacity! with { RenormalizeKept = true } })),
        new("soft_moe", "slots as they are", "output", golden => SoftMoeBlock.Build(golden, router => router with { Normalization = SlotNormalization.None })),
        new("soft_moe", "layer norm for RMS norm", "output", golden => SoftMoeBlock.Build(golden, router => router with { Normalization = SlotNormalization.LayerNormSlots })),
        new("davidmrau_eval", "not renormalised", "output", golden => DavidmrauBlock.Build(golden, gate => gate with { Renormalize = false })),
        new("davidmrau_train_noisy", "no floor under the noise", "noise_stddev", golden => DavidmrauBlock.Build(golden, gate => gate with { Noise = new LearnedNoise() })),
        new("davidmrau_train_noisy", "noise of one size", "grad.w_noise", golden => DavidmrauBlock.Build(golden, gate => gate with { Noise = new GaussianNoise { Deviation = 1 } })),
        Change.FastMoe("softmax over all experts", "routing_weights", gate => gate with { Softmax = SoftmaxOrder.BeforeSelection }),
        Change.FastMoe("no floor under the noise", "noisy_logits", gate => gate with { Noise = new LearnedNoise() }),
    ];

    /// <summary>One thing done differently, and a number that must be wrong then.</summary>
    private sealed record Change(string Case, string Convention, string Wrong, Func<GoldenCase, IReadOnlyList<Deviation>> Deviations)
    {
        public Change(string golden, string convention, string wrong, Func<GoldenCase, GoldenBlock> build)
            : this(golden, convention, wrong, golden => Of(golden, build))
        {
        }

        public static Change Gate(string golden, string convention, string wrong, Func<GatingOptions, GatingOptions> change) =>
            new(golden, convention, wrong, golden => TransformerBlock.Build(golden, gate: change));

        public static Change Expert(string golden, string convention, string wrong, Func<GatedFeedForwardOptions, GatedFeedForwardOptions> change) =>
            new(golden, convention, wrong, golden => TransformerBlock.Build(golden, expert: change));

        public static Change FastMoe(string convention, string wrong, Func<GatingOptions, GatingOptions> change) =>
            new("fastmoe_noisy_gate", convention, wrong, golden => FastMoeGoldenTests.Deviations(golden, change));

        private static IReadOnlyList<Deviation> Of(GoldenCase golden, Func<GoldenCase, GoldenBlock> build)
        {
            using var block = build(golden);
            return block.Answer().Deviations();
        }
    }
}
