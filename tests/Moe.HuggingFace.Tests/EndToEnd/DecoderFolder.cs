using static TorchSharp.torch;

namespace Moe.HuggingFace.Tests;

/// <summary>The folder of a small published model that was never trained: two layers with a block each, all of its tensors under the names of its authors.</summary>
/// <param name="Config">The settings.</param>
/// <param name="Attention">What the family's attention has besides its four projections.</param>
/// <param name="Router">The name of a layer's router.</param>
/// <param name="Expert">The names of an expert's gate, up and down projection.</param>
internal sealed record DecoderFolder(string Config, (string Name, long[] Shape)[] Attention, string Router, string[] Expert)
{
    public const int Vocabulary = 64;

    private const int Layers = 2;
    private const int Experts = 4;
    private const long Width = 32;
    private const long Hidden = 48;

    public static DecoderFolder Mixtral { get; } = new(
        """
        {"model_type":"mixtral","hidden_act":"silu","vocab_size":64,"hidden_size":32,"intermediate_size":48,"num_hidden_layers":2,"num_attention_heads":4,"num_key_value_heads":4,
        "num_local_experts":4,"num_experts_per_tok":2,"rms_norm_eps":1e-6,"router_jitter_noise":0.0,"tie_word_embeddings":false}
        """,
        [],
        "block_sparse_moe.gate.weight",
        ["block_sparse_moe.experts.{0}.w1.weight", "block_sparse_moe.experts.{0}.w3.weight", "block_sparse_moe.experts.{0}.w2.weight"]);

    public static DecoderFolder Qwen3 { get; } = new(
        """
        {"model_type":"qwen3_moe","hidden_act":"silu","vocab_size":64,"hidden_size":32,"moe_intermediate_size":48,"num_hidden_layers":2,"num_attention_heads":4,"num_key_value_heads":4,
        "head_dim":8,"num_experts":4,"num_experts_per_tok":2,"norm_topk_prob":true,"rms_norm_eps":1e-6,"tie_word_embeddings":false}
        """,
        [("self_attn.q_norm.weight", [8]), ("self_attn.k_norm.weight", [8])],
        "mlp.gate.weight",
        ["mlp.experts.{0}.gate_proj.weight", "mlp.experts.{0}.up_proj.weight", "mlp.experts.{0}.down_proj.weight"]);

    public void Write(string folder, long seed)
    {
        using var scope = NewDisposeScope();
        using var generator = new Generator((ulong)seed);
        Write(folder, Tensors().ToDictionary(tensor => tensor.Name, tensor => Draw(tensor.Shape, generator)));
    }

    public void Write(string folder, IReadOnlyDictionary<string, Tensor> tensors)
    {
        File.WriteAllText(Path.Combine(folder, "config.json"), Config);
        SafetensorsWriter.Write(Path.Combine(folder, "model.safetensors"), tensors, new Dictionary<string, string> { ["format"] = "pt" });
    }

    private static Tensor Draw(long[] shape, Generator generator)
    {
        var numbers = randn(shape, generator: generator);
        return shape.Length == 1 ? 1 + (0.1 * numbers) : numbers / Math.Sqrt(shape[^1]);
    }

    private IEnumerable<(string Name, long[] Shape)> Tensors()
    {
        yield return ("model.embed_tokens.weight", [Vocabulary, Width]);
        for (var layer = 0; layer < Layers; layer++)
        {
            foreach (var (name, shape) in LayerTensors())
                yield return ($"model.layers.{layer}.{name}", shape);
        }
        yield return ("model.norm.weight", [Width]);
        yield return ("lm_head.weight", [Vocabulary, Width]);
    }

    private IEnumerable<(string Name, long[] Shape)> LayerTensors() =>
    [
        ("input_layernorm.weight", [Width]),
        .. new[] { "q", "k", "v", "o" }.Select(projection => ($"self_attn.{projection}_proj.weight", new[] { Width, Width })),
        .. Attention,
        ("post_attention_layernorm.weight", [Width]),
        (Router, [Experts, Width]),
        .. Enumerable.Range(0, Experts).SelectMany(expert => Expert.Select((name, place) =>
            (name.Replace("{0}", $"{expert}", StringComparison.Ordinal), place == 2 ? new[] { Width, Hidden } : [Hidden, Width]))),
    ];
}
