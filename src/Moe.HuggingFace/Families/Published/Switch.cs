using Moe.Core;
using static Moe.HuggingFace.WeightRole;

namespace Moe.HuggingFace;

/// <summary>Switch Transformers: one expert a token, and places counted in each sequence.</summary>
internal static class Switch
{
    private static readonly WeightPlace[] Around = [new("mlp.router.classifier.weight", RouterWeight), new("mlp.router.classifier.bias", RouterBias)];

    public static ModelFamily Family { get; } = new()
    {
        Name = "Switch Transformers",
        ModelType = "switch_transformers",
        Blocks = ["encoder.block.{layer}.layer.1.", "decoder.block.{layer}.layer.2."],
        Gate = config => config.Text("router_dtype", "float32") != "float32"
            ? throw config.Wrong("router_dtype", "float32")
            : PublishedGates.Switch(config.Count("d_model"), config.Count("num_experts")) with
            {
                Bias = config.Flag("router_bias"),
                InputJitter = config.Real("router_jitter_noise", 0.01),
                Capacity = new CapacityOptions { Fixed = config.Count("expert_capacity"), Scope = TokenScope.Sequence },
            },
        PlainExperts = config => config.Flag("is_gated_act")
            ? throw config.Wrong("is_gated_act", "false, since experts of this family have one matrix before the activation")
            : new FeedForwardOptions { InputWidth = config.Count("d_model"), HiddenWidth = config.Count("d_ff"), Activation = config.Activation("dense_act_fn", "relu"), Bias = false },
        ExpertFields = ["num_experts"],
        BothLayoutsAreKnown = false,
        PerExpert = [.. Around, new("mlp.experts.expert_{expert}.wi.weight", Up), new("mlp.experts.expert_{expert}.wo.weight", Down)],
        Fused = [.. Around, new("mlp.experts.wi", Up), new("mlp.experts.wo", Down)],
    };
}
