using Moe.Core;
using static Moe.HuggingFace.WeightRole;

namespace Moe.HuggingFace;

/// <summary>Qwen2-MoE, Qwen3-MoE and OLMoE: softmax over all, then the best.</summary>
internal static class Qwen
{
    /// <summary>gate_proj, up_proj and down_proj under <c>mlp</c>, as in most families.</summary>
    internal static IReadOnlyList<WeightPlace> ExpertsApart { get; } =
    [
        new("mlp.experts.{expert}.gate_proj.weight", WeightRole.Gate),
        new("mlp.experts.{expert}.up_proj.weight", Up),
        new("mlp.experts.{expert}.down_proj.weight", Down),
    ];

    /// <summary>The same with all experts in one.</summary>
    internal static IReadOnlyList<WeightPlace> ExpertsTogether { get; } =
    [
        new("mlp.experts.gate_up_proj", GateUp),
        new("mlp.experts.down_proj", Down),
    ];

    private static readonly WeightPlace[] Around2 =
    [
        new("mlp.gate.weight", RouterWeight),
        new("mlp.shared_expert.gate_proj.weight", SharedGate),
        new("mlp.shared_expert.up_proj.weight", SharedUp),
        new("mlp.shared_expert.down_proj.weight", SharedDown),
        new("mlp.shared_expert_gate.weight", SharedSelector),
    ];

    private static readonly WeightPlace[] Around = [new("mlp.gate.weight", RouterWeight)];

    public static ModelFamily Qwen2 { get; } = new()
    {
        Name = "Qwen2-MoE",
        ModelType = "qwen2_moe",
        Gate = config => Gate(config),
        GatedExperts = config => Experts(config, "moe_intermediate_size"),
        Shared = config => new SharedExpert(config.Count("shared_expert_intermediate_size"), IsSelfGated: true),
        ExpertFields = ["num_experts"],
        TopKFields = ["num_experts_per_tok"],
        PerExpert = [.. Around2, .. ExpertsApart],
        Fused = [.. Around2, .. ExpertsTogether],
    };

    public static ModelFamily Qwen3 { get; } = new()
    {
        Name = "Qwen3-MoE",
        ModelType = "qwen3_moe",
        Gate = config => Gate(config),
        GatedExperts = config => Experts(config, "moe_intermediate_size"),
        ExpertFields = ["num_experts"],
        TopKFields = ["num_experts_per_tok"],
        PerExpert = [.. Around, .. ExpertsApart],
        Fused = [.. Around, .. ExpertsTogether],
    };

    public static ModelFamily Olmoe { get; } = new()
    {
        Name = "OLMoE",
        ModelType = "olmoe",
        Gate = config => Gate(config),
        GatedExperts = config => Experts(config, "intermediate_size"),
        ExpertFields = ["num_experts"],
        TopKFields = ["num_experts_per_tok"],
        PerExpert = [.. Around, .. ExpertsApart],
        Fused = [.. Around, .. ExpertsTogether],
    };

    internal static GatedFeedForwardOptions Experts(ModelConfig config, string width) => new()
    {
        InputWidth = config.Count("hidden_size"),
        HiddenWidth = config.Count(width),
        Activation = config.Activation(),
    };

    private static GatingOptions Gate(ModelConfig config) =>
        PublishedGates.Qwen(config.Count("hidden_size"), config.Count("num_experts"), config.Count("num_experts_per_tok"), config.Flag("norm_topk_prob"));
}
