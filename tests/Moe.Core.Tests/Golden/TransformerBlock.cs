using System.Text.RegularExpressions;

namespace Moe.Core.Tests;

/// <summary>The blocks of language models whose experts are gated feed-forward networks, each in the layouts that it is published in.</summary>
internal static partial class TransformerBlock
{
    public static string[] Kinds { get; } = ["mixtral", "qwen2_moe", "qwen3_moe", "olmoe", "granitemoe", "deepseek_v3", "gpt_oss", "phimoe"];

    /// <summary>Builds the block of a case in Float32, with something changed if the test wants it so.</summary>
    public static GoldenBlock Build(
        GoldenCase golden, Func<GatingOptions, GatingOptions>? gate = null, Func<GatedFeedForwardOptions, GatedFeedForwardOptions>? expert = null)
    {
        var config = golden.Config;
        var gating = Gate(config);
        var options = Expert(config);
        var router = golden.Weights.Keys.Select(key => RouterName().Match(key)).Single(match => match.Success);
        var layer = new MixtureOfExperts(
            new GatingNetwork(gate is null ? gating : gate(gating)),
            StackedExperts.GatedFeedForward(gating.ExpertCount, expert is null ? options : expert(options)),
            SharedExperts(config, options));
        layer.eval();

        // Where a test takes a bias away, the published one has no place.
        var places = layer.state_dict();
        var parts = TransformerWeights.Parts(golden, router.Groups["block"].Value, router.Value, gating.ExpertCount);
        return new GoldenBlock(golden, layer, parts.Where(part => places.ContainsKey(part.Ours)));
    }

    private static GatingOptions Gate(GoldenConfig config)
    {
        var width = config.Number("hidden_size");
        var experts = config.Number("num_local_experts", "num_experts", "n_routed_experts");
        var choices = config.Number("num_experts_per_tok");
        return config.ModelType switch
        {
            "mixtral" or "granitemoe" => PublishedGates.Mixtral(width, experts, choices),
            "gpt_oss" => PublishedGates.Mixtral(width, experts, choices) with { Bias = true },
            "qwen2_moe" or "qwen3_moe" or "olmoe" => PublishedGates.Qwen(width, experts, choices, config.Flag("norm_topk_prob")),
            "deepseek_v3" => DeepSeekV3(),
            "phimoe" => PublishedGates.PhiMoE(width, experts) with { TopK = choices, Selection = new SparseMixerSelection { Jitter = config.Real("router_jitter_noise") } },
            var other => throw new NotSupportedException($"There is no block {other}."),
        };

        GatingOptions DeepSeekV3()
        {
            var (groups, kept) = (config.Number("n_group", 1), config.Number("topk_group", 1));
            var gate = PublishedGates.DeepSeekV3(width, experts, choices, groups, kept, config.Real("routed_scaling_factor", 1));
            return gate with { Renormalize = config.Flag("norm_topk_prob", otherwise: true) };
        }
    }

    private static GatedFeedForwardOptions Expert(GoldenConfig config)
    {
        var isGptOss = config.ModelType == "gpt_oss";
        return new()
        {
            InputWidth = config.Number("hidden_size"),
            HiddenWidth = config.Number("moe_intermediate_size", "intermediate_size"),
            Activation = config.Activation("hidden_act"),
            Unit = isGptOss ? new ClampedSwiGlu { Limit = config.Real("swiglu_limit") } : null,
            Bias = isGptOss,
        };
    }

    private static IExpert[]? SharedExperts(GoldenConfig config, GatedFeedForwardOptions expert)
    {
        if (config.Has("shared_expert_intermediate_size"))
            return [new SelfGatedExpert(new GatedFeedForwardExpert(expert with { HiddenWidth = config.Number("shared_expert_intermediate_size") }))];

        // Several shared experts are published as one of their joint width.
        return config.Number("n_shared_experts", 0) is > 0 and var count
            ? [new GatedFeedForwardExpert(expert with { HiddenWidth = expert.HiddenWidth * count })]
            : null;
    }

    [GeneratedRegex(@"^(?<block>.+?)\.(gate|router)(\.layer)?\.weight$")]
    private static partial Regex RouterName();
}
