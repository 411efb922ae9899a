using Moe.Core;
using static Moe.HuggingFace.WeightForm;
using static Moe.HuggingFace.WeightRole;

namespace Moe.HuggingFace;

/// <summary>DBRX: the experts' matrices one below the other, the last one with the input width first.</summary>
internal static class Dbrx
{
    private static readonly WeightPlace[] Around = [new("ffn.router.layer.weight", RouterWeight)];

    public static ModelFamily Family { get; } = new()
    {
        Name = "DBRX",
        ModelType = "dbrx",
        Blocks = ["transformer.blocks.{layer}."],
        Gate = config =>
        {
            // Null is no division at all; where nothing is said, the publishers' code divides by the sum.
            var ffn = config.Part("ffn_config");
            if (ffn.Flag("uniform_expert_assignment"))
                throw ffn.Wrong("uniform_expert_assignment", "false: with true the publishers' code measures speed, and chooses experts in turn");
            var gate = PublishedGates.Qwen(config.Count("d_model"), ffn.Count("moe_num_experts"), ffn.Count("moe_top_k"), renormalize: !ffn.IsNull("moe_normalize_expert_weights"));
            return gate with { NormPower = ffn.Real("moe_normalize_expert_weights", 1), NormEpsilon = 0, InputJitter = ffn.Real("moe_jitter_eps", 0) };
        },
        GatedExperts = config =>
        {
            var ffn = config.Part("ffn_config");
            return new GatedFeedForwardOptions
            {
                InputWidth = config.Count("d_model"),
                HiddenWidth = ffn.Count("ffn_hidden_size"),
                Activation = ffn.Has("ffn_act_fn") ? ffn.Part("ffn_act_fn").Activation("name") : Activation.Silu,
            };
        },
        ExpertFields = ["ffn_config.moe_num_experts"],
        TopKFields = ["ffn_config.moe_top_k"],
        PublishedLayout = BlockLayout.Fused,
        BothLayoutsAreKnown = false,
        PerExpert =
        [
            .. Around,
            new("ffn.experts.{expert}.gate_proj.weight", WeightRole.Gate),
            new("ffn.experts.{expert}.up_proj.weight", Up),
            new("ffn.experts.{expert}.down_proj.weight", Down),
        ],
        Fused =
        [
            .. Around,
            new("ffn.experts.mlp.w1", WeightRole.Gate, Joined),
            new("ffn.experts.mlp.v1", Up, Joined),
            new("ffn.experts.mlp.w2", Down, Joined | Transposed),
        ],
    };
}
