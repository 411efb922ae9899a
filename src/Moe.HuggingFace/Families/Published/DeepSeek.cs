using Moe.Core;
using static Moe.HuggingFace.WeightRole;

namespace Moe.HuggingFace;

/// <summary>DeepSeek-V2 and V3, GLM-4-MoE and Ernie 4.5: many small experts and shared ones.</summary>
internal static class DeepSeek
{
    private static readonly WeightPlace[] Shared =
    [
        new("mlp.shared_experts.gate_proj.weight", SharedGate),
        new("mlp.shared_experts.up_proj.weight", SharedUp),
        new("mlp.shared_experts.down_proj.weight", SharedDown),
    ];

    private static readonly WeightPlace[] Around2 = [new("mlp.gate.weight", RouterWeight), .. Shared];

    private static readonly WeightPlace[] Around3 = [new("mlp.gate.weight", RouterWeight), new("mlp.gate.e_score_correction_bias", SelectionBias), .. Shared];

    public static ModelFamily V2 { get; } = new()
    {
        Name = "DeepSeek-V2",
        ModelType = "deepseek_v2",
        Gate = GateOfV2,
        GatedExperts = config => Qwen.Experts(config, "moe_intermediate_size"),
        Shared = SharedOf,
        ExpertFields = ["n_routed_experts"],
        TopKFields = ["num_experts_per_tok"],
        PerExpert = [.. Around2, .. Qwen.ExpertsApart],
        Fused = [.. Around2, .. Qwen.ExpertsTogether],
    };

    public static ModelFamily V3 { get; } = new()
    {
        Name = "DeepSeek-V3",
        ModelType = "deepseek_v3",
        Gate = config => GateOfV3(config, groups: 8, kept: 4, scale: 2.5),
        GatedExperts = config => Qwen.Experts(config, "moe_intermediate_size"),
        Shared = SharedOf,
        ExpertFields = ["n_routed_experts"],
        TopKFields = ["num_experts_per_tok"],
        PerExpert = [.. Around3, .. Qwen.ExpertsApart],
        Fused = [.. Around3, .. Qwen.ExpertsTogether],
    };

    public static ModelFamily Glm4 { get; } = V3 with { Name = "GLM-4-MoE", ModelType = "glm4_moe", Gate = config => GateOfV3(config, groups: 1, kept: 1, scale: 1) };

    public static ModelFamily Ernie { get; } = new()
    {
        Name = "Ernie-4.5-MoE",
        ModelType = "ernie4_5_moe",
        Gate = GateOfErnie,
        GatedExperts = config => Qwen.Experts(config, "moe_intermediate_size") with { Bias = config.Flag("use_bias") },
        Shared = config => config.Count("moe_num_shared_experts", 0) is > 0 and var count ? new SharedExpert((long)count * config.Count("moe_intermediate_size")) : null,
        ExpertFields = ["moe_num_experts"],
        TopKFields = ["moe_k"],
        PerExpert =
        [
            .. AroundErnie("mlp.moe_statics.e_score_correction_bias"),
            .. Qwen.ExpertsApart,
            new("mlp.experts.{expert}.gate_proj.bias", GateBias),
            new("mlp.experts.{expert}.up_proj.bias", UpBias),
            new("mlp.experts.{expert}.down_proj.bias", DownBias),
        ],
        Fused =
        [
            .. AroundErnie("mlp.gate.moe_statics.e_score_correction_bias"),
            .. Qwen.ExpertsTogether,
            new("mlp.experts.gate_up_proj_bias", GateUpBias),
            new("mlp.experts.down_proj_bias", DownBias),
        ],
    };

    /// <summary>All but the experts; the biases that choose hang on the block as published, and on its gate in newer libraries.</summary>
    private static WeightPlace[] AroundErnie(string selectionBias) =>
    [
        new("mlp.gate.weight", RouterWeight),
        new(selectionBias, SelectionBias, WeightForm.OneRow),
        .. Shared,
        new("mlp.shared_experts.gate_proj.bias", SharedGateBias),
        new("mlp.shared_experts.up_proj.bias", SharedUpBias),
        new("mlp.shared_experts.down_proj.bias", SharedDownBias),
    ];

    private static GatingOptions GateOfV2(ModelConfig config)
    {
        if (config.Text("scoring_func", "softmax") != "softmax")
            throw config.Wrong("scoring_func", "softmax");

        // norm_topk_prob is passed over, as by the library that runs these models; it is false in all that are published.
        var (width, experts, choices) = (config.Count("hidden_size"), config.Count("n_routed_experts"), config.Count("num_experts_per_tok"));
        var scale = config.Real("routed_scaling_factor", 1);
        return config.Text("topk_method", "greedy") switch
        {
            "greedy" => PublishedGates.Qwen(width, experts, choices, renormalize: false) with { ScalingFactor = scale },
            "group_limited_greedy" => PublishedGates.DeepSeekV2(width, experts, choices, config.Count("n_group"), config.Count("topk_group"), scale),
            _ => throw config.Wrong("topk_method", "greedy or group_limited_greedy"),
        };
    }

    /// <summary>The gate; groups, those kept and the scale are what the publishers' own code takes where the settings do not say.</summary>
    private static GatingOptions GateOfV3(ModelConfig config, int groups, int kept, double scale)
    {
        if (config.Text("topk_method", "noaux_tc") != "noaux_tc")
            throw config.Wrong("topk_method", "noaux_tc");
        if (config.Text("scoring_func", "sigmoid") != "sigmoid")
            throw config.Wrong("scoring_func", "sigmoid");
        var gate = PublishedGates.DeepSeekV3(
            config.Count("hidden_size"), config.Count("n_routed_experts"), config.Count("num_experts_per_tok"), config.Count("n_group", groups), config.Count("topk_group", kept), config.Real("routed_scaling_factor", scale));
        return gate with { Renormalize = config.Flag("norm_topk_prob", otherwise: !config.IsNull("norm_topk_prob")) };
    }

    private static GatingOptions GateOfErnie(ModelConfig config)
    {
        if (config.Text("moe_gate_act", "softmax") != "softmax")
            throw config.Wrong("moe_gate_act", "softmax");

        // A floor of the sum of the chosen, which as published no softmax of these sizes comes near.
        if (config.Real("moe_norm_min", 1e-12) is not (>= 0 and <= 1e-12))
            throw config.Wrong("moe_norm_min", "a number between 0 and 1e-12");
        return new GatingOptions
        {
            InputWidth = config.Count("hidden_size"),
            ExpertCount = config.Count("moe_num_experts"),
            TopK = config.Count("moe_k"),
            Softmax = SoftmaxOrder.BeforeSelection,
            SelectionBias = true,
            Renormalize = true,
            NormEpsilon = 0,
        };
    }

    private static SharedExpert? SharedOf(ModelConfig config) =>
        config.Count("n_shared_experts", 0) is > 0 and var count ? new SharedExpert((long)count * config.Count("moe_intermediate_size")) : null;
}
