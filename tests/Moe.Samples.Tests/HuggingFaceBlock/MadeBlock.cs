using System.Text.Json.Nodes;
using static TorchSharp.torch;

namespace Moe.Samples.Tests.HuggingFaceBlock;

/// <summary>Random blocks of other sizes and settings than the golden ones, and how their publishers compute.</summary>
internal static class MadeBlock
{
    public const string Mlp = "model.layers.0.mlp.";

    public const string Sparse = "model.layers.0.block_sparse_moe.";

    private const int Width = 24, Hidden = 16;

    public static PlainBlock MixtralAnswer(int choices) => new(
        $"{Sparse}gate.weight",
        (_, logits) =>
        {
            var (scores, experts) = nn.functional.softmax(logits, -1).topk(choices);
            return (experts, scores / scores.sum(-1, keepdim: true));
        },
        (weights, expert, rows) => PlainBlock.GatedUnit(weights, $"{Sparse}experts.{expert}.w1.weight", $"{Sparse}experts.{expert}.w3.weight", $"{Sparse}experts.{expert}.w2.weight", rows));

    public static PlainBlock QwenAnswer(int choices, bool renormalize) => new(
        $"{Mlp}gate.weight",
        (_, logits) =>
        {
            var (scores, experts) = nn.functional.softmax(logits, -1).topk(choices);
            return (experts, renormalize ? scores / scores.sum(-1, keepdim: true) : scores);
        },
        Unit);

    /// <summary>As in the authors' own code, where experts of the groups that lost are out whatever the others' biases are.</summary>
    public static PlainBlock DeepSeekAnswer(int choices, int groups, int kept, bool renormalize, double scale) => new(
        $"{Mlp}gate.weight",
        (weights, logits) =>
        {
            var scores = logits.sigmoid();
            var keys = scores.detach() + weights[$"{Mlp}gate.e_score_correction_bias"].detach();
            var byGroup = keys.reshape(keys.size(0), groups, -1);
            var winners = zeros(keys.size(0), groups, dtype: ScalarType.Float64).scatter(1, byGroup.topk(2).values.sum(-1).topk(kept).indexes, ones(keys.size(0), kept, dtype: ScalarType.Float64));
            var experts = byGroup.masked_fill(winners.unsqueeze(-1).eq(0), double.NegativeInfinity).reshape(keys.shape).topk(choices).indexes;
            var chosen = scores.gather(1, experts);
            return (experts, scale * (renormalize ? chosen / (chosen.sum(-1, keepdim: true) + 1e-20) : chosen));
        },
        Unit,
        (weights, rows) => PlainBlock.GatedUnit(weights, $"{Mlp}shared_experts.gate_proj.weight", $"{Mlp}shared_experts.up_proj.weight", $"{Mlp}shared_experts.down_proj.weight", rows));

    public static BlockFolder Mixtral(int experts, int choices) => Made(
        $$"""{"model_type":"mixtral","hidden_act":"silu","hidden_size":{{Width}},"intermediate_size":{{Hidden}},"num_local_experts":{{experts}},"num_experts_per_tok":{{choices}}}""",
        [($"{Sparse}gate.weight", [experts, Width]), .. Each(experts, $"{Sparse}experts.", "w1", "w3", "w2")]);

    public static BlockFolder Qwen3(int experts, int choices, bool renormalize, string modelType = "qwen3_moe") => Made(
        $$"""
        {"model_type":"{{modelType}}","hidden_act":"silu","hidden_size":{{Width}},"moe_intermediate_size":{{Hidden}},"intermediate_size":{{Hidden}},"num_experts":{{experts}},
        "num_experts_per_tok":{{choices}},"norm_topk_prob":{{(renormalize ? "true" : "false")}}}
        """,
        [($"{Mlp}gate.weight", [experts, Width]), .. Each(experts, $"{Mlp}experts.", "gate_proj", "up_proj", "down_proj")]);

    public static BlockFolder DeepSeek(int experts, int choices, int groups, int kept, bool renormalize, double scale, int sharedExperts = 1, int width = Width, int hidden = Hidden) => Made(
        $$"""
        {"model_type":"deepseek_v3","hidden_act":"silu","hidden_size":{{width}},"moe_intermediate_size":{{hidden}},"n_routed_experts":{{experts}},"n_shared_experts":{{sharedExperts}},
        "num_experts_per_tok":{{choices}},"n_group":{{groups}},"topk_group":{{kept}},"norm_topk_prob":{{(renormalize ? "true" : "false")}},"routed_scaling_factor":{{scale}},
        "scoring_func":"sigmoid","topk_method":"noaux_tc"}
        """,
        [
            ($"{Mlp}gate.weight", [experts, width]), ($"{Mlp}gate.e_score_correction_bias", [experts]),
            .. Each(experts, $"{Mlp}experts.", "gate_proj", "up_proj", "down_proj", width, hidden),
            .. Unit($"{Mlp}shared_experts.", "gate_proj", "up_proj", "down_proj", width, sharedExperts * hidden),
        ],
        width);

    private static IEnumerable<(string Name, long[] Shape)> Each(int experts, string beginning, string gate, string up, string down, int width = Width, int hidden = Hidden) =>
        Enumerable.Range(0, experts).SelectMany(expert => Unit($"{beginning}{expert}.", gate, up, down, width, hidden));

    private static IEnumerable<(string Name, long[] Shape)> Unit(string beginning, string gate, string up, string down, int width, int hidden) =>
        [($"{beginning}{gate}.weight", [hidden, width]), ($"{beginning}{up}.weight", [hidden, width]), ($"{beginning}{down}.weight", [width, hidden])];

    private static Tensor Unit(Dictionary<string, Tensor> weights, int expert, Tensor rows) =>
        PlainBlock.GatedUnit(weights, $"{Mlp}experts.{expert}.gate_proj.weight", $"{Mlp}experts.{expert}.up_proj.weight", $"{Mlp}experts.{expert}.down_proj.weight", rows);

    private static BlockFolder Made(string config, IEnumerable<(string Name, long[] Shape)> shapes, int width = Width)
    {
        using var generator = new Generator(7);
        return new BlockFolder(
            JsonNode.Parse(config)!.AsObject(),
            shapes.ToDictionary(tensor => tensor.Name, tensor => 0.3 * randn(tensor.Shape, generator: generator)),
            new() { ["input"] = randn([2, 12, width], generator: generator), ["grad_output"] = randn([2, 12, width], generator: generator) });
    }
}
