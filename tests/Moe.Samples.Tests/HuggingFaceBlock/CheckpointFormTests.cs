using System.Globalization;
using Moe.Core.Tests;
using Moe.HuggingFace;
using static TorchSharp.torch;

namespace Moe.Samples.Tests.HuggingFaceBlock;

/// <summary>The same block in shards, among other layers, and quantised.</summary>
public sealed class CheckpointFormTests : IDisposable
{
    private readonly TorchSharp.DisposeScope _scope = NewDisposeScope();

    [Theory]
    [InlineData("mixtral")]
    [InlineData("gpt_oss")]
    [InlineData("switch_transformers")]
    public void Shards_are_one_checkpoint(string name)
    {
        using var whole = BlockFolder.Golden(name);
        var expected = whole.Run();
        using var sharded = BlockFolder.Golden(name);
        sharded.WriteShards();
        sharded.Run().ShouldBeTheBitsOf(expected);
    }

    [Theory]
    [InlineData("model.safetensors")]
    [InlineData("weights.safetensors")]
    [InlineData("another.safetensors")]
    public void The_only_file_may_have_any_name(string name)
    {
        using var published = BlockFolder.Golden("olmoe");
        File.Move(published.WeightsPath, Path.Combine(published.Checkpoint, "x"));
        File.Move(Path.Combine(published.Checkpoint, "x"), Path.Combine(published.Checkpoint, name));
        published.Run().ShouldBe(published.Numbers, published.Trainable);
    }

    [Theory]
    [InlineData("mixtral")]
    [InlineData("mixtral_fused")]
    [InlineData("deepseek_v3")]
    [InlineData("granitemoe")]
    public void A_layer_is_taken_by_its_number_and_without_one_the_first(string name)
    {
        using var published = BlockFolder.Golden(name);
        var weights = published.Weights.ToDictionary(pair => At(pair.Key, 11), pair => pair.Value);
        foreach (var (key, value) in published.Weights)
            weights[At(key, 2)] = value * 0.5;
        using var deep = new BlockFolder(published.Config, weights, published.Numbers).Write();

        deep.Run("--layer", "11").ShouldBe(Renamed(published.Numbers, 11), published.Trainable.Select(weight => At(weight, 11)));

        // 2 comes before 11, as a number does.
        var first = deep.Run();
        first.Keys.Should().Contain(published.Trainable.Select(weight => $"grad.{At(weight, 2)}"));
        deep.Run("--layer", "2").ShouldBeTheBitsOf(first);
        Compare.Distance(first["output"], published.Numbers["output"]).Should().BeGreaterThan(1e-2);
    }

    [Theory]
    [InlineData("qwen3_moe")]
    [InlineData("deepseek_v3")]
    [InlineData("olmoe")]
    public void Dense_layers_and_attention_do_not_disturb(string name)
    {
        using var published = BlockFolder.Golden(name);
        var weights = published.Weights.ToDictionary(pair => At(pair.Key, 1), pair => pair.Value);
        weights["model.embed_tokens.weight"] = ones(50, 32);
        weights["lm_head.weight"] = ones(50, 32, dtype: ScalarType.BFloat16);
        weights["model.norm.weight"] = ones(32);
        foreach (var part in new[] { "gate_proj", "up_proj" })
            weights[$"model.layers.0.mlp.{part}.weight"] = ones(176, 32);
        weights["model.layers.0.mlp.down_proj.weight"] = ones(32, 176);
        for (var layer = 0; layer < 2; layer++)
        {
            weights[$"model.layers.{layer}.input_layernorm.weight"] = ones(32);
            weights[$"model.layers.{layer}.self_attn.q_proj.weight"] = ones(32, 32);
            weights[$"model.layers.{layer}.self_attn.rotary_emb.inv_freq"] = arange(8, dtype: ScalarType.Int64);
        }
        using var model = new BlockFolder(published.Config, weights, published.Numbers).Write();
        model.Run().ShouldBe(Renamed(published.Numbers, 1), published.Trainable.Select(weight => At(weight, 1)));
    }

    [Fact]
    public void Mxfp4_gives_the_bits_of_what_it_decodes_to()
    {
        using var published = BlockFolder.Golden("gpt_oss");
        Dictionary<string, Tensor> quantised = [], decoded = [];
        foreach (var (name, weight) in published.Weights)
        {
            if (!name.EndsWith("_proj", StringComparison.Ordinal))
            {
                quantised[name] = decoded[name] = weight;
                continue;
            }

            // Published as [in, out]; quantised along the input.
            var rows = weight.transpose(1, 2).contiguous();
            var (blocks, scales) = (new byte[rows.numel() / 2], new byte[rows.numel() / 32]);
            Mxfp4.Encode(rows.data<float>().ToArray(), blocks, scales);
            var numbers = new float[rows.numel()];
            Mxfp4.Decode(blocks, scales, numbers);
            var (experts, outputs, inputs) = (rows.shape[0], rows.shape[1], rows.shape[2]);
            quantised[$"{name}_blocks"] = tensor(blocks).reshape(experts, outputs, inputs / 32, 16);
            quantised[$"{name}_scales"] = tensor(scales).reshape(experts, outputs, inputs / 32);
            decoded[name] = tensor(numbers, rows.shape).transpose(1, 2).contiguous();
        }
        using var plain = new BlockFolder(published.Config, decoded, published.Numbers).Write();
        using var small = new BlockFolder(published.Config, quantised, published.Numbers).Write();
        var expected = plain.Run();

        small.Run().ShouldBeTheBitsOf(expected);
        small.Run("--dtype", "bfloat16").ShouldBeTheBitsOf(plain.Run("--dtype", "bfloat16"));
        Compare.Distance(expected["output"], published.Numbers["output"]).Should().BeGreaterThan(1e-3, "four bits are not the whole number");
        small.Call("inspect").Succeeded().Should().Contain("mxfp4").And.Contain("UInt8");
        ShouldNotConvert(small, "per-expert");
        ShouldDecode(small, "per-expert");
        ShouldDecode(small, "fused");
        quantised.Remove("model.layers.0.mlp.experts.down_proj_scales");
        small.Write().Call("run", "--input", small.InputPath, "--output", small.OutputPath).Failed().Should().Contain("down_proj_scales is missing.");
    }

    [Fact]
    public void Float8_gives_the_bits_of_what_it_decodes_to()
    {
        // Wide enough for squares of 128 at the edges, too.
        using var made = MadeBlock.DeepSeek(experts: 4, choices: 2, groups: 2, kept: 1, renormalize: true, scale: 2.5, sharedExperts: 2, width: 160, hidden: 136);
        Dictionary<string, Tensor> quantised = [], decoded = [];
        foreach (var (name, weight) in made.Weights)
        {
            if (name.Contains("mlp.gate.", StringComparison.Ordinal))
            {
                quantised[name] = decoded[name] = weight;
                continue;
            }
            var (rows, columns) = ((int)weight.shape[0], (int)weight.shape[1]);
            long[] squares = [(rows + 127) / 128, (columns + 127) / 128];
            var (codes, scales, numbers) = (new byte[rows * columns], new float[squares[0] * squares[1]], new float[rows * columns]);
            BlockScaledFloat8.Encode(weight.data<float>().ToArray(), columns, codes, scales);
            BlockScaledFloat8.Decode(codes, columns, scales, numbers);
            quantised[name] = tensor(codes).reshape(rows, columns);
            quantised[$"{name}_scale_inv"] = tensor(scales).reshape(squares);
            decoded[name] = tensor(numbers).reshape(rows, columns);
        }
        using var plain = new BlockFolder(made.Config, decoded, made.Numbers).Write();
        using var small = new BlockFolder(made.Config, quantised, made.Numbers).Write();
        WriteWithFloat8(small);

        small.Run().ShouldBeTheBitsOf(plain.Run());
        small.Run().ShouldBe(MadeBlock.DeepSeekAnswer(2, 2, 1, renormalize: true, 2.5).Answers(plain), plain.Trainable);
        small.Run("--dtype", "bfloat16").ShouldBeTheBitsOf(plain.Run("--dtype", "bfloat16"));
        small.Call("inspect").Succeeded().Should().Contain("Float8E4M3").And.Contain("Float32");
        ShouldNotConvert(small, "fused");
        ShouldDecode(small, "per-expert");
        ShouldDecode(small, "fused");
        quantised.Remove($"{MadeBlock.Mlp}experts.2.up_proj.weight_scale_inv");
        WriteWithFloat8(small.Write());
        small.Call("run", "--input", small.InputPath, "--output", small.OutputPath).Failed().Should().Contain("experts.2.up_proj.weight_scale_inv is missing.");
    }

    public void Dispose() => _scope.Dispose();

    /// <summary>These quantised bytes cannot be laid otherwise and come back the same.</summary>
    private static void ShouldNotConvert(BlockFolder block, string layout)
    {
        block.Call("convert", "--to", layout, "--output", block.PathOf("converted")).Failed().Should().Contain("is quantised").And.Contain("--decode");
        Directory.Exists(block.PathOf("converted")).Should().BeFalse();
    }

    /// <summary>Decoded it runs as it does quantised, where both are BFloat16.</summary>
    private static void ShouldDecode(BlockFolder block, string layout)
    {
        var decoded = block.PathOf($"decoded-{layout}");
        block.Call("convert", "--to", layout, "--output", decoded, "--decode").Succeeded().Should().Contain($"1 block as {layout} in {decoded}");
        BlockFolder.Read(Path.Combine(decoded, "weights.safetensors")).Should().OnlyContain(pair => pair.Value.is_floating_point());
        var expected = block.Run("--dtype", "bfloat16");
        Sample.HuggingFaceBlock("run", "--checkpoint", decoded, "--input", block.InputPath, "--output", block.OutputPath, "--dtype", "bfloat16").Succeeded();
        var ours = BlockFolder.Read(block.OutputPath);
        string[] common = [.. Answer.Forward, "grad_input"];
        ours.Where(pair => common.Contains(pair.Key)).ToDictionary().ShouldBeTheBitsOf(expected.Where(pair => common.Contains(pair.Key)).ToDictionary());
    }

    /// <summary>Bytes that are codes of 8-bit floats, which torch tensors here are not.</summary>
    private static void WriteWithFloat8(BlockFolder block)
    {
        using (var file = SafetensorsFile.Open(block.WeightsPath))
        {
            SafetensorsWriter.WritePieces(
                block.WeightsPath + ".f8", file.Entries.Values.Select(entry => TensorDescription.Of(entry) with { Type = entry.Type == ElementType.UInt8 ? ElementType.Float8E4M3 : entry.Type }), file.Read);
        }
        File.Move(block.WeightsPath + ".f8", block.WeightsPath, overwrite: true);
    }

    private static string At(string name, int layer) => name.Replace("layers.0.", string.Create(CultureInfo.InvariantCulture, $"layers.{layer}."), StringComparison.Ordinal);

    private static Dictionary<string, Tensor> Renamed(Dictionary<string, Tensor> numbers, int layer) => numbers.ToDictionary(pair => At(pair.Key, layer), pair => pair.Value);
}
