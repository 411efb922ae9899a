namespace Moe.HuggingFace.Tests;

/// <summary>
/// A small model as it is published in 8-bit floats: a dense layer 0 and blocks in layers 1 and 2, all matrices of F8_E4M3 with scales in F32 (Qwen3: BF16), routers, norms and embeddings of other types. All
/// bytes are random, and what they stand for is computed here once more, number by number.
/// </summary>
internal sealed record Float8Model(string ModelType, long Width, long Hidden, bool IsFused = false, int Experts = 3)
{
    private readonly Random _random = new(11);

    public static TheoryData<string> Families => ["deepseek_v3", "glm4_moe", "minimax_m2", "qwen3_moe"];

    /// <summary>Type, shape and bytes of all that a file has, by name.</summary>
    public Dictionary<string, (ElementType Type, long[] Shape, byte[] Data)> Stored { get; } = new(StringComparer.Ordinal);

    /// <summary>What the 8-bit floats stand for, by name.</summary>
    public Dictionary<string, float[]> Numbers { get; } = [];

    /// <summary>What experts are called in a block.</summary>
    public string ExpertsName => ModelType == "minimax_m2" && !IsFused ? "block_sparse_moe.experts" : "mlp.experts";

    public string[] ProjectionNames => ModelType == "minimax_m2" ? ["w1.weight", "w3.weight", "w2.weight"] : ["gate_proj.weight", "up_proj.weight", "down_proj.weight"];

    /// <summary>The settings.</summary>
    public string Config => Settings ?? $$"""
        {
          "model_type": "{{ModelType}}",
          "hidden_size": {{Width}},
          "{{(ModelType == "minimax_m2" ? "" : "moe_")}}intermediate_size": {{Hidden}},
          "hidden_act": "silu",
          "{{ModelType switch { "minimax_m2" => "num_local_experts", "qwen3_moe" => "num_experts", _ => "n_routed_experts" }}}": {{Experts}},
          "num_experts_per_tok": 2,
          "n_shared_experts": 1,
          "n_group": 1,
          "topk_group": 1,
          "quantization_config": {"activation_scheme": "dynamic", "fmt": "e4m3", "quant_method": "fp8", "weight_block_size": [128, 128]},
          "rms_norm_eps": 1e-06
        }

        """;

    /// <summary>Settings of another family, whose tensors a test makes itself.</summary>
    public string? Settings { get; init; }

    private ElementType ScaleType => ModelType == "qwen3_moe" ? ElementType.BFloat16 : ElementType.Float32;

    /// <summary>Makes the tensors.</summary>
    public Float8Model Made()
    {
        Plain("model.embed_tokens.weight", ElementType.BFloat16, 10, Width);
        Plain("model.norm.weight", ElementType.BFloat16, Width);
        for (var layer = 0; layer < 3; layer++)
        {
            var beginning = $"model.layers.{layer}.";
            Plain($"{beginning}input_layernorm.weight", ElementType.BFloat16, Width);
            Float8($"{beginning}self_attn.o_proj.weight", Width, 72);
            if (layer == 0)
                Float8($"{beginning}mlp.down_proj.weight", Width, 2 * Hidden);
            else
                Block(beginning);
        }
        return this;
    }

    /// <summary>Writes settings, tensors and, if they are more than one file, the index.</summary>
    /// <param name="maxShardBytes">Bytes of a file.</param>
    /// <param name="order">Of the data in a file; by name if as given.</param>
    public TemporaryFolder Write(long maxShardBytes = long.MaxValue, TensorOrder order = TensorOrder.Reference)
    {
        var folder = new TemporaryFolder();
        File.WriteAllText(folder.File("config.json"), Config);
        SafetensorsWriter.WriteShards(
            folder.FullName, Stored.OrderBy(pair => pair.Key, StringComparer.Ordinal).Select(pair => new TensorDescription(pair.Key, pair.Value.Type, pair.Value.Shape)),
            (name, first, bytes) => Stored[name].Data.AsSpan((int)first, bytes.Length).CopyTo(bytes), maxShardBytes, new Dictionary<string, string> { ["format"] = "pt" }, order);
        return folder;
    }

    /// <summary>Adds a tensor of another type.</summary>
    public void Plain(string name, ElementType type, params long[] shape)
    {
        Stored[name] = (type, shape, Bytes(type, [.. Enumerable.Range(0, (int)shape.Aggregate(1L, (product, size) => product * size)).Select(_ => Draw(type) - 1)]));
    }

    /// <summary>Adds a matrix, or a stack of some, with its scales.</summary>
    public void Float8(string name, params long[] shape)
    {
        var (rows, columns) = ((int)shape[^2], (int)shape[^1]);
        var matrices = shape.Length == 3 ? (int)shape[0] : 1;
        var (down, across) = ((rows + 127) / 128, (columns + 127) / 128);
        var codes = new byte[matrices * rows * columns];
        _random.NextBytes(codes);
        foreach (ref var code in codes.AsSpan())
            code = (code & 0x7F) == 0x7F ? (byte)0 : code;
        float[] scales = [.. Enumerable.Range(0, matrices * down * across).Select(_ => Draw(ScaleType) / 4096)];
        var plain = new float[codes.Length];
        HuggingFace.Float8.DecodeE4M3(codes, plain);
        for (var place = 0; place < plain.Length; place++)
        {
            var (matrix, row, column) = (place / columns / rows, place / columns % rows, place % columns);
            plain[place] *= scales[(((matrix * down) + (row / 128)) * across) + (column / 128)];
        }
        Stored[name] = (ElementType.Float8E4M3, shape, codes);
        Stored[$"{name}_scale_inv"] = (ScaleType, [.. shape[..^2], down, across], Bytes(ScaleType, scales));
        Numbers[name] = plain;
    }

    /// <summary>From 0.5 to 1.5, exact in a type.</summary>
    private float Draw(ElementType type) => 0.5f + (type == ElementType.Float32 ? _random.NextSingle() : _random.Next(128) / 128f);

    /// <summary>The bytes of numbers; the upper half of a Float32 is a BFloat16.</summary>
    private static byte[] Bytes(ElementType type, float[] numbers) => [.. numbers.SelectMany(number => BitConverter.GetBytes(number)[(type == ElementType.Float32 ? 0 : 2)..])];

    private void Block(string beginning)
    {
        var isMiniMax = ModelType == "minimax_m2";
        var router = isMiniMax && !IsFused ? "block_sparse_moe." : "mlp.";
        Plain($"{beginning}{router}gate.weight", ElementType.BFloat16, Experts, Width);
        if (ModelType != "qwen3_moe")
            Plain($"{beginning}{router}{(isMiniMax ? "" : "gate.")}e_score_correction_bias", ElementType.Float32, Experts);
        if (ModelType is "deepseek_v3" or "glm4_moe")
            Each(name => $"{beginning}mlp.shared_experts.{name}");
        if (IsFused)
        {
            Float8($"{beginning}{ExpertsName}.gate_up_proj", Experts, 2 * Hidden, Width);
            Float8($"{beginning}{ExpertsName}.down_proj", Experts, Width, Hidden);
            return;
        }
        for (var expert = 0; expert < Experts; expert++)
            Each(name => $"{beginning}{ExpertsName}.{expert}.{name}");

        void Each(Func<string, string> nameOf)
        {
            Float8(nameOf(ProjectionNames[0]), Hidden, Width);
            Float8(nameOf(ProjectionNames[1]), Hidden, Width);
            Float8(nameOf(ProjectionNames[2]), Width, Hidden);
        }
    }
}
