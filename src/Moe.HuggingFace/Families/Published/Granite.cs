using Moe.Core;
using static Moe.HuggingFace.WeightRole;

namespace Moe.HuggingFace;

/// <summary>Granite-MoE, and the one with a shared expert beside the block.</summary>
internal static class Granite
{
    private static readonly WeightPlace[] Apart =
    [
        new("block_sparse_moe.router.layer.weight", RouterWeight),
        new("block_sparse_moe.experts.{expert}.gate_proj.weight", WeightRole.Gate),
        new("block_sparse_moe.experts.{expert}.up_proj.weight", Up),
        new("block_sparse_moe.experts.{expert}.down_proj.weight", Down),
    ];

    private static readonly WeightPlace[] Together =
    [
        new("block_sparse_moe.router.layer.weight", RouterWeight),
        new("block_sparse_moe.input_linear.weight", GateUp),
        new("block_sparse_moe.output_linear.weight", Down),
    ];

    private static readonly WeightPlace[] SharedPlaces =
    [
        new("shared_mlp.input_linear.weight", SharedGateUp),
        new("shared_mlp.output_linear.weight", SharedDown),
    ];

    public static ModelFamily Family { get; } = new()
    {
        Name = "Granite-MoE",
        ModelType = "granitemoe",
        Gate = Gate,
        GatedExperts = config => Qwen.Experts(config, "intermediate_size"),
        ExpertFields = ["num_local_experts"],
        TopKFields = ["num_experts_per_tok"],
        PublishedLayout = BlockLayout.Fused,
        BothLayoutsAreKnown = false,
        PerExpert = Apart,
        Fused = Together,
    };

    public static ModelFamily WithShared { get; } = Family with
    {
        Name = "Granite-MoE with a shared expert",
        ModelType = "granitemoeshared",
        Shared = config => config.Count("shared_intermediate_size", 0) is > 0 and var width ? new SharedExpert(width) : null,
        PerExpert = [.. Apart, .. SharedPlaces],
        Fused = [.. Together, .. SharedPlaces],
    };

    private static GatingOptions Gate(ModelConfig config) =>
        PublishedGates.Mixtral(config.Count("hidden_size"), config.Count("num_local_experts"), config.Count("num_experts_per_tok"));
}
