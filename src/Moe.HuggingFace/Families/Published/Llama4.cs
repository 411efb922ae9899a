using Moe.Core;
using static Moe.HuggingFace.WeightForm;
using static Moe.HuggingFace.WeightRole;

namespace Moe.HuggingFace;

/// <summary>Llama 4: the weight counts on the experts' input, matrices with the input width first.</summary>
internal static class Llama4
{
    private static readonly WeightPlace[] Around =
    [
        new("feed_forward.router.weight", RouterWeight),
        new("feed_forward.shared_expert.gate_proj.weight", SharedGate),
        new("feed_forward.shared_expert.up_proj.weight", SharedUp),
        new("feed_forward.shared_expert.down_proj.weight", SharedDown),
    ];

    public static ModelFamily Text { get; } = new()
    {
        Name = "Llama 4 (text)",
        ModelType = "llama4_text",
        Blocks = ["model.layers.{layer}.", "language_model.model.layers.{layer}.", "model.language_model.layers.{layer}."],
        ConfigPart = "text_config",
        Gate = config => PublishedGates.Llama4(config.Count("hidden_size"), config.Count("num_local_experts"), config.Count("num_experts_per_tok", 1)),
        GatedExperts = config => Qwen.Experts(config, "intermediate_size"),
        Shared = config => new SharedExpert(config.Count("intermediate_size")),
        ExpertFields = ["num_local_experts"],
        TopKFields = ["num_experts_per_tok"],
        PublishedLayout = BlockLayout.Fused,
        BothLayoutsAreKnown = false,
        PerExpert =
        [
            .. Around,
            new("feed_forward.experts.{expert}.gate_proj.weight", WeightRole.Gate),
            new("feed_forward.experts.{expert}.up_proj.weight", Up),
            new("feed_forward.experts.{expert}.down_proj.weight", Down),
        ],
        Fused = [.. Around, new("feed_forward.experts.gate_up_proj", GateUp, Transposed), new("feed_forward.experts.down_proj", Down, Transposed)],
    };

    public static ModelFamily Family { get; } = Text with { Name = "Llama 4", ModelType = "llama4" };
}
