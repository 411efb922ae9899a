using Moe.Core;
using static Moe.HuggingFace.WeightForm;
using static Moe.HuggingFace.WeightRole;

namespace Moe.HuggingFace;

/// <summary>gpt-oss: biases everywhere, gate and up in turns, matrices as [in, out] in BFloat16 and as [out, in] in MXFP4.</summary>
internal static class GptOss
{
    private static readonly WeightPlace[] Around = [new("mlp.router.weight", RouterWeight), new("mlp.router.bias", RouterBias)];

    private static readonly WeightPlace[] Biases =
    [
        new("mlp.experts.gate_up_proj_bias", GateUpBias, Interleaved),
        new("mlp.experts.down_proj_bias", DownBias),
    ];

    public static ModelFamily Family { get; } = new()
    {
        Name = "gpt-oss",
        ModelType = "gpt_oss",
        Gate = config => PublishedGates.Mixtral(config.Count("hidden_size"), config.Count("num_local_experts"), config.Count("num_experts_per_tok")) with { Bias = true },
        GatedExperts = config => new GatedFeedForwardOptions
        {
            InputWidth = config.Count("hidden_size"),
            HiddenWidth = config.Count("intermediate_size"),
            Unit = new ClampedSwiGlu { Limit = config.Real("swiglu_limit", 7), Slope = config.Real("swiglu_alpha", 1.702) },
            Bias = true,
        },
        ExpertFields = ["num_local_experts"],
        TopKFields = ["num_experts_per_tok", "experts_per_token"],
        PublishedLayout = BlockLayout.Fused,
        BothLayoutsAreKnown = false,
        PerExpert =
        [
            .. Around,
            .. Qwen.ExpertsApart,
            new("mlp.experts.{expert}.gate_proj.bias", GateBias),
            new("mlp.experts.{expert}.up_proj.bias", UpBias),
            new("mlp.experts.{expert}.down_proj.bias", DownBias),
        ],
        Fused =
        [
            .. Around,
            new("mlp.experts.gate_up_proj", GateUp, Transposed | Interleaved),
            new("mlp.experts.down_proj", Down, Transposed),
            .. Biases,
        ],
        Mxfp4 =
        [
            .. Around,
            new("mlp.experts.gate_up_proj", GateUp, Interleaved | WeightForm.Mxfp4),
            new("mlp.experts.down_proj", Down, WeightForm.Mxfp4),
            .. Biases,
        ],
    };
}
