using static TorchSharp.torch;

namespace Moe.HuggingFace.Tests;

/// <summary>
/// A small block of a family with random weights, and what it answers by its publishers' formulas, one token and one expert after the other, from the published tensors
/// themselves. For families of which there are no numbers of their authors' making.
/// </summary>
internal sealed record MadeUpBlock(string Name, string Config, IReadOnlyList<(string Name, long[] Shape)> Tensors, Func<Dictionary<string, Tensor>, Tensor, Tensor> Answer, double SelectionBias = 0)
{
    public const int Width = 12, Hidden = 8, Experts = 8, Choices = 3;

    private const string At = "model.layers.1.";

    public static IReadOnlyList<MadeUpBlock> All { get; } =
    [
        new(
            "deepseek_v2, greedy",
            """{"model_type":"deepseek_v2","hidden_act":"silu","hidden_size":12,"moe_intermediate_size":8,"n_routed_experts":8,"n_shared_experts":2,"num_experts_per_tok":3,"topk_method":"greedy","routed_scaling_factor":1.5,"norm_topk_prob":false,"n_group":null,"topk_group":null}""",
            [.. Router($"{At}mlp.gate.weight"), .. Apart, .. Shared("shared_experts", 2 * Hidden)],
            (weights, x) => Mixed(weights, x, Softmax(weights[$"{At}mlp.gate.weight"], x), score => Best(score, Choices), (score, _) => 1.5 * score) + SharedAnswer(weights, "mlp.shared_experts", x)),
        new(
            "deepseek_v2, groups",
            """{"model_type":"deepseek_v2","hidden_act":"silu","hidden_size":12,"moe_intermediate_size":8,"n_routed_experts":8,"n_shared_experts":1,"num_experts_per_tok":3,"topk_method":"group_limited_greedy","routed_scaling_factor":2.0,"n_group":4,"topk_group":2}""",
            [.. Router($"{At}mlp.gate.weight"), .. Apart, .. Shared("shared_experts", Hidden)],
            (weights, x) => Mixed(weights, x, Softmax(weights[$"{At}mlp.gate.weight"], x), score => Best(OfGroups(score, 4, 2, 1), Choices), (score, _) => 2 * score) + SharedAnswer(weights, "mlp.shared_experts", x)),
        new(
            "glm4_moe",
            """{"model_type":"glm4_moe","hidden_act":"silu","hidden_size":12,"moe_intermediate_size":8,"n_routed_experts":8,"n_shared_experts":1,"num_experts_per_tok":3,"n_group":1,"topk_group":1,"norm_topk_prob":true,"routed_scaling_factor":1.8}""",
            [.. Router($"{At}mlp.gate.weight"), ($"{At}mlp.gate.e_score_correction_bias", [Experts]), .. Apart, .. Shared("shared_experts", Hidden)],
            (weights, x) => Mixed(
                weights, x, Sigmoid(weights[$"{At}mlp.gate.weight"], x), score => Best(Plus(score, weights[$"{At}mlp.gate.e_score_correction_bias"]), Choices), (score, sum) => 1.8 * score / sum)
                + SharedAnswer(weights, "mlp.shared_experts", x)),
        new(
            "glm4_moe, groups, biases below 0",
            """{"model_type":"glm4_moe","hidden_size":12,"moe_intermediate_size":8,"n_routed_experts":8,"n_shared_experts":null,"num_experts_per_tok":3,"n_group":4,"topk_group":2,"norm_topk_prob":false,"routed_scaling_factor":2.5}""",
            [.. Router($"{At}mlp.gate.weight"), ($"{At}mlp.gate.e_score_correction_bias", [Experts]), .. Apart],
            (weights, x) => Mixed(
                weights, x, Sigmoid(weights[$"{At}mlp.gate.weight"], x), score => Best(OfGroups(Plus(score, weights[$"{At}mlp.gate.e_score_correction_bias"]), 4, 2, 2), Choices), (score, _) => 2.5 * score),
            SelectionBias: -2),
        new(
            "ernie4_5_moe",
            """{"model_type":"ernie4_5_moe","hidden_act":"silu","hidden_size":12,"moe_intermediate_size":8,"moe_num_experts":8,"moe_num_shared_experts":2,"moe_k":3,"moe_norm_min":1e-12,"use_bias":false}""",
            [.. Router($"{At}mlp.gate.weight"), ($"{At}mlp.moe_statics.e_score_correction_bias", [1, Experts]), .. Apart, .. Shared("shared_experts", 2 * Hidden)],
            (weights, x) => Mixed(
                weights, x, Softmax(weights[$"{At}mlp.gate.weight"], x), score => Best(Plus(score, weights[$"{At}mlp.moe_statics.e_score_correction_bias"][0]), Choices), (score, sum) => score / sum)
                + SharedAnswer(weights, "mlp.shared_experts", x)),
        new(
            "ernie4_5_moe, biases",
            """{"model_type":"ernie4_5_moe","hidden_size":12,"moe_intermediate_size":8,"moe_num_experts":8,"moe_num_shared_experts":1,"moe_k":3,"use_bias":true}""",
            [
                .. Router($"{At}mlp.gate.weight"), ($"{At}mlp.moe_statics.e_score_correction_bias", [1, Experts]), .. Apart, .. Each(expert => Biases($"experts.{expert}")), .. Shared("shared_experts", Hidden), .. Biases("shared_experts"),
            ],
            (weights, x) => Mixed(
                weights, x, Softmax(weights[$"{At}mlp.gate.weight"], x), score => Best(Plus(score, weights[$"{At}mlp.moe_statics.e_score_correction_bias"][0]), Choices), (score, sum) => score / sum,
                (expert, token) => BiasedUnit(weights, $"experts.{expert}", token)) + BiasedUnit(weights, "shared_experts", x)),
        new(
            "minimax_m2",
            """{"model_type":"minimax_m2","hidden_act":"silu","hidden_size":12,"intermediate_size":8,"num_local_experts":8,"num_experts_per_tok":3,"router_jitter_noise":0.0}""",
            [
                .. Router($"{At}block_sparse_moe.gate.weight"), ($"{At}block_sparse_moe.e_score_correction_bias", [Experts]),
                .. Each(expert => [($"{At}block_sparse_moe.experts.{expert}.w1.weight", [Hidden, Width]), ($"{At}block_sparse_moe.experts.{expert}.w3.weight", [Hidden, Width]), ($"{At}block_sparse_moe.experts.{expert}.w2.weight", [Width, Hidden])]),
            ],
            (weights, x) => Mixed(
                weights, x, Sigmoid(weights[$"{At}block_sparse_moe.gate.weight"], x), score => Best(Plus(score, weights[$"{At}block_sparse_moe.e_score_correction_bias"]), Choices), (score, sum) => score / sum,
                (expert, token) => Unit(weights[$"{At}block_sparse_moe.experts.{expert}.w1.weight"], weights[$"{At}block_sparse_moe.experts.{expert}.w3.weight"], weights[$"{At}block_sparse_moe.experts.{expert}.w2.weight"], token))),
        new(
            "granitemoeshared",
            """{"model_type":"granitemoeshared","hidden_act":"silu","hidden_size":12,"intermediate_size":8,"shared_intermediate_size":10,"num_local_experts":8,"num_experts_per_tok":3}""",
            [
                .. Router($"{At}block_sparse_moe.router.layer.weight"), ($"{At}block_sparse_moe.input_linear.weight", [Experts, 2 * Hidden, Width]), ($"{At}block_sparse_moe.output_linear.weight", [Experts, Width, Hidden]),
                ($"{At}shared_mlp.input_linear.weight", [20, Width]), ($"{At}shared_mlp.output_linear.weight", [Width, 10]),
            ],
            (weights, x) => Mixed(
                weights, x, Softmax(weights[$"{At}block_sparse_moe.router.layer.weight"], x), score => Best(score, Choices), (score, sum) => score / sum,
                (expert, token) => Unit(
                    weights[$"{At}block_sparse_moe.input_linear.weight"][expert].narrow(0, 0, Hidden), weights[$"{At}block_sparse_moe.input_linear.weight"][expert].narrow(0, Hidden, Hidden),
                    weights[$"{At}block_sparse_moe.output_linear.weight"][expert], token))
                + Unit(weights[$"{At}shared_mlp.input_linear.weight"].narrow(0, 0, 10), weights[$"{At}shared_mlp.input_linear.weight"].narrow(0, 10, 10), weights[$"{At}shared_mlp.output_linear.weight"], x)),
        new(
            "dbrx",
            """{"model_type":"dbrx","d_model":12,"ffn_config":{"ffn_act_fn":{"name":"silu"},"ffn_hidden_size":8,"moe_num_experts":8,"moe_top_k":3,"moe_normalize_expert_weights":2.0,"moe_jitter_eps":null}}""",
            [
                .. Router("transformer.blocks.1.ffn.router.layer.weight"), ("transformer.blocks.1.ffn.experts.mlp.w1", [Experts * Hidden, Width]),
                ("transformer.blocks.1.ffn.experts.mlp.v1", [Experts * Hidden, Width]), ("transformer.blocks.1.ffn.experts.mlp.w2", [Experts * Hidden, Width]),
            ],
            (weights, x) =>
            {
                Tensor Rows(string name, int expert) => weights[$"transformer.blocks.1.ffn.experts.mlp.{name}"].narrow(0, expert * Hidden, Hidden);
                return Mixed(
                    weights, x, Softmax(weights["transformer.blocks.1.ffn.router.layer.weight"], x), score => Best(score, Choices), null,
                    (expert, token) => Unit(Rows("w1", expert), Rows("v1", expert), Rows("w2", expert).t(), token), norm: 2);
            }),
        Llama4("llama4_text", choices: 1),
        Llama4("llama4_text, two experts", choices: 2),
    ];

    /// <summary>Random weights in the published names; selection biases are as far apart as scores are.</summary>
    public Dictionary<string, Tensor> Weights(long seed)
    {
        using var generator = new Generator((ulong)seed);
        return Tensors.ToDictionary(tensor => tensor.Name, tensor =>
            (randn(tensor.Shape, generator: generator) * (tensor.Name.Contains("bias", StringComparison.Ordinal) ? 0.1 : 0.4)) + (tensor.Name.Contains("e_score", StringComparison.Ordinal) ? SelectionBias : 0));
    }

    private static IEnumerable<(string Name, long[] Shape)> Apart => Each(expert =>
    [
        ($"{At}mlp.experts.{expert}.gate_proj.weight", [Hidden, Width]), ($"{At}mlp.experts.{expert}.up_proj.weight", [Hidden, Width]), ($"{At}mlp.experts.{expert}.down_proj.weight", [Width, Hidden]),
    ]);

    private static IEnumerable<(string Name, long[] Shape)> Biases(string name) =>
        [($"{At}mlp.{name}.gate_proj.bias", [Hidden]), ($"{At}mlp.{name}.up_proj.bias", [Hidden]), ($"{At}mlp.{name}.down_proj.bias", [Width])];

    private static IEnumerable<(string Name, long[] Shape)> Router(string name) => [(name, [Experts, Width])];

    private static IEnumerable<(string Name, long[] Shape)> Shared(string name, long hidden) =>
        [($"{At}mlp.{name}.gate_proj.weight", [hidden, Width]), ($"{At}mlp.{name}.up_proj.weight", [hidden, Width]), ($"{At}mlp.{name}.down_proj.weight", [Width, hidden])];

    private static IEnumerable<(string Name, long[] Shape)> Each(Func<int, IEnumerable<(string Name, long[] Shape)>> one) => Enumerable.Range(0, Experts).SelectMany(one);

    private static Tensor Softmax(Tensor router, Tensor x) => nn.functional.softmax(nn.functional.linear(x, router), -1);

    private static Tensor Sigmoid(Tensor router, Tensor x) => nn.functional.linear(x, router).sigmoid();

    private static Tensor Plus(Tensor score, Tensor bias) => score + bias;

    private static int[] Best(Tensor score, int count)
    {
        var numbers = score.data<float>().ToArray();
        return [.. Enumerable.Range(0, numbers.Length).OrderByDescending(expert => numbers[expert]).Take(count)];
    }

    private static Tensor OfGroups(Tensor score, int groups, int kept, int best)
    {
        var numbers = score.data<float>().ToArray().Chunk(Experts / groups).ToArray();
        var winners = Enumerable.Range(0, groups).OrderByDescending(group => numbers[group].OrderDescending().Take(best).Sum()).Take(kept).ToHashSet();
        return tensor(numbers.SelectMany((own, group) => winners.Contains(group) ? own : [.. own.Select(_ => float.NegativeInfinity)]).ToArray());
    }

    private static Tensor Unit(Tensor gate, Tensor up, Tensor down, Tensor rows) =>
        nn.functional.linear(nn.functional.silu(nn.functional.linear(rows, gate)) * nn.functional.linear(rows, up), down);

    private static Tensor BiasedUnit(Dictionary<string, Tensor> weights, string name, Tensor rows)
    {
        return Product("down_proj", nn.functional.silu(Product("gate_proj", rows)) * Product("up_proj", rows));

        Tensor Product(string part, Tensor x) => nn.functional.linear(x, weights[$"{At}mlp.{name}.{part}.weight"], weights[$"{At}mlp.{name}.{part}.bias"]);
    }

    /// <summary>The sigmoid of the logit counts on what the expert is asked.</summary>
    private static MadeUpBlock Llama4(string name, int choices) => new(
        name,
        $$"""{"model_type":"llama4_text","hidden_act":"silu","hidden_size":12,"intermediate_size":8,"num_local_experts":8,"num_experts_per_tok":{{choices}}}""",
        [
            .. Router($"{At}feed_forward.router.weight"), ($"{At}feed_forward.experts.gate_up_proj", [Experts, Width, 2 * Hidden]), ($"{At}feed_forward.experts.down_proj", [Experts, Hidden, Width]),
            ($"{At}feed_forward.shared_expert.gate_proj.weight", [Hidden, Width]), ($"{At}feed_forward.shared_expert.up_proj.weight", [Hidden, Width]), ($"{At}feed_forward.shared_expert.down_proj.weight", [Width, Hidden]),
        ],
        (weights, x) =>
        {
            var scores = Sigmoid(weights[$"{At}feed_forward.router.weight"], x);
            var rows = Enumerable.Range(0, (int)x.size(0)).Select(token => Best(scores[token], choices).Select(expert =>
            {
                var both = weights[$"{At}feed_forward.experts.gate_up_proj"][expert].t();
                return Unit(both.narrow(0, 0, Hidden), both.narrow(0, Hidden, Hidden), weights[$"{At}feed_forward.experts.down_proj"][expert].t(), (x[token] * scores[token][expert]).reshape(1, -1));
            }).Aggregate((left, right) => left + right));
            return cat([.. rows]) + SharedAnswer(weights, "feed_forward.shared_expert", x);
        });

    private static Tensor SharedAnswer(Dictionary<string, Tensor> weights, string name, Tensor x) =>
        Unit(weights[$"{At}{name}.gate_proj.weight"], weights[$"{At}{name}.up_proj.weight"], weights[$"{At}{name}.down_proj.weight"], x);

    private static Tensor Mixed(
        Dictionary<string, Tensor> weights, Tensor x, Tensor scores, Func<Tensor, int[]> choose, Func<double, double, double>? weigh, Func<int, Tensor, Tensor>? expert = null, double norm = 1)
    {
        expert ??= (index, token) => Unit(
            weights[$"{At}mlp.experts.{index}.gate_proj.weight"], weights[$"{At}mlp.experts.{index}.up_proj.weight"], weights[$"{At}mlp.experts.{index}.down_proj.weight"], token);
        return cat([.. Enumerable.Range(0, (int)x.size(0)).Select(token =>
        {
            var chosen = choose(scores[token]);
            double[] own = [.. chosen.Select(index => (double)scores[token][index].item<float>())];
            var sum = Math.Pow(own.Sum(score => Math.Pow(score, norm)), 1 / norm);
            return chosen.Select((index, place) => expert(index, x[token].reshape(1, -1)) * (weigh?.Invoke(own[place], sum) ?? (own[place] / sum))).Aggregate((left, right) => left + right);
        })]);
    }
}
