using Moe.Core;
using static Moe.HuggingFace.WeightRole;

namespace Moe.HuggingFace;

/// <summary>Mixtral, PhiMoE and MiniMax-M2: the names w1, w2 and w3.</summary>
internal static class Mixtral
{
    public static ModelFamily Family { get; } = new()
    {
        Name = "Mixtral",
        ModelType = "mixtral",
        Gate = config => PublishedGates.Mixtral(config.Count("hidden_size"), config.Count("num_local_experts"), config.Count("num_experts_per_tok")) with
        {
            InputJitter = config.Real("router_jitter_noise", 0),
        },
        GatedExperts = Experts,
        ExpertFields = ["num_local_experts"],
        TopKFields = ["num_experts_per_tok"],
        PerExpert = PerExpert([new("block_sparse_moe.gate.weight", RouterWeight)]),
        Fused = Fused([new("mlp.gate.weight", RouterWeight)]),
    };

    public static ModelFamily PhiMoE { get; } = new()
    {
        Name = "PhiMoE",
        ModelType = "phimoe",
        Gate = config => config.Count("num_experts_per_tok", 2) != 2
            ? throw config.Wrong("num_experts_per_tok", "2, since the publishers' sparse mixer draws two experts whatever this says")
            : PublishedGates.PhiMoE(config.Count("hidden_size"), config.Count("num_local_experts")) with
            {
                Selection = new SparseMixerSelection { Jitter = config.Real("router_jitter_noise", 0.01) },
                InputJitter = config.Real("input_jitter_noise", 0),
            },
        GatedExperts = Experts,
        ExpertFields = ["num_local_experts"],
        PerExpert = PerExpert([new("block_sparse_moe.gate.weight", RouterWeight)]),
        Fused = Fused([new("mlp.router.weight", RouterWeight)]),
    };

    public static ModelFamily MiniMaxM2 { get; } = new()
    {
        Name = "MiniMax-M2",
        ModelType = "minimax_m2",
        Gate = config => config.Text("scoring_func", "sigmoid") != "sigmoid"
            ? throw config.Wrong("scoring_func", "sigmoid")
            : PublishedGates.DeepSeekV3(config.Count("hidden_size"), config.Count("num_local_experts"), config.Count("num_experts_per_tok")) with
            {
                SelectionBias = config.Flag("use_routing_bias", otherwise: true),
                NormEpsilon = 0,
                InputJitter = config.Real("router_jitter_noise", 0),
            },
        GatedExperts = Experts,
        ExpertFields = ["num_local_experts"],
        TopKFields = ["num_experts_per_tok"],
        PerExpert = PerExpert([new("block_sparse_moe.gate.weight", RouterWeight), new("block_sparse_moe.e_score_correction_bias", SelectionBias)]),
        Fused = Fused([new("mlp.gate.weight", RouterWeight), new("mlp.e_score_correction_bias", SelectionBias)]),
    };

    private static GatedFeedForwardOptions Experts(ModelConfig config) => new()
    {
        InputWidth = config.Count("hidden_size"),
        HiddenWidth = config.Count("intermediate_size"),
        Activation = config.Activation(),
    };

    private static WeightPlace[] PerExpert(WeightPlace[] router) =>
    [
        .. router,
        new("block_sparse_moe.experts.{expert}.w1.weight", Gate),
        new("block_sparse_moe.experts.{expert}.w3.weight", Up),
        new("block_sparse_moe.experts.{expert}.w2.weight", Down),
    ];

    private static WeightPlace[] Fused(WeightPlace[] router) =>
    [
        .. router,
        new("mlp.experts.gate_up_proj", GateUp),
        new("mlp.experts.down_proj", Down),
    ];
}
