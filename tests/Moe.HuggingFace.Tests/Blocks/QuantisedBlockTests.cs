using System.Runtime.InteropServices;
using Moe.Core.Tests;
using static TorchSharp.torch;

namespace Moe.HuggingFace.Tests;

public sealed class QuantisedBlockTests
{
    private const string Experts = "model.layers.0.mlp.experts.";

    [Fact]
    public void MXFP4_blocks_compute_what_their_numbers_in_BFloat16_do()
    {
        using var scope = NewDisposeScope();
        using var folder = new PublishedCase("gpt_oss").Checkpoint();
        using var quantised = new TemporaryFolder();
        using var decoded = new TemporaryFolder();
        Requantise(folder, quantised, decoded);
        using var first = Checkpoint.Open(quantised.FullName);
        using var second = Checkpoint.Open(decoded.FullName);
        using var block = first.LoadBlock(options: new() { Type = ScalarType.Float32 });
        using var same = second.LoadBlock();
        using var kept = first.LoadBlock(options: new() { Type = ScalarType.Float32, Compression = WeightCompression.Mxfp4 });
        var input = new PublishedCase("gpt_oss").Numbers()["input"];

        first.Block().Layout.Should().Be(BlockLayout.Mxfp4);
        Compare.SameBits(block.Layer.forward(input), same.Layer.forward(input));
        Compare.Close(kept.Layer.forward(input), same.Layer.forward(input), 1e-5);
        block.Gradients().Keys.Should().BeEquivalentTo(same.Gradients().Keys, "gradients go by the names of the numbers, not of the blocks");
        kept.Invoking(it => it.Gradients()).Should().Throw<NotSupportedException>().WithMessage("*Mxfp4*");
    }

    [Fact]
    public void Experts_kept_in_Int8_answer_nearly_the_same()
    {
        using var scope = NewDisposeScope();
        using var folder = new PublishedCase("mixtral").Checkpoint();
        using var checkpoint = Checkpoint.Open(folder.FullName);
        using var block = checkpoint.LoadBlock();
        using var small = checkpoint.LoadBlock(options: new() { Compression = WeightCompression.Int8 });
        var numbers = new PublishedCase("mixtral").Numbers();

        var (whole, rounded) = (block.Layer.forward(numbers["input"]), small.Layer.forward(numbers["input"]));

        Compare.Distance(rounded, whole).Should().BeLessThan(0.02 * Compare.Distance(whole, zeros_like(whole))).And.BePositive();
        small.Layer.Experts.Should().AllBeOfType<QuantisedFeedForwardExpert>();
    }

    [Fact]
    public void Floats_of_8_bits_are_multiplied_with_the_scale_of_their_block()
    {
        using var scope = NewDisposeScope();
        using var folder = new PublishedCase("deepseek_v3").Checkpoint();
        using var quantised = new TemporaryFolder();
        using var decoded = new TemporaryFolder();
        var (bytes, numbers) = (new Dictionary<string, (ElementType Type, long[] Shape, byte[] Data)>(), new Dictionary<string, Tensor>());
        using (var file = SafetensorsFile.Open(folder.File("weights.safetensors")))
        {
            foreach (var (name, entry) in file.Entries)
            {
                var values = file.ReadTensor(name);
                if (!name.EndsWith("_proj.weight", StringComparison.Ordinal))
                {
                    (bytes[name], numbers[name]) = ((ElementType.Float32, [.. entry.Shape], Compare.Bits(values)), values);
                    continue;
                }
                var (codes, scales, again) = (new byte[values.numel()], new float[1], new float[values.numel()]);
                BlockScaledFloat8.Encode(values.data<float>().ToArray(), (int)values.size(1), codes, scales);
                BlockScaledFloat8.Decode(codes, (int)values.size(1), scales, again);
                bytes[name] = (ElementType.Float8E4M3, [.. entry.Shape], codes);
                bytes[$"{name}_scale_inv"] = (ElementType.Float32, [1, 1], MemoryMarshal.AsBytes(scales.AsSpan()).ToArray());
                numbers[name] = tensor(again, values.shape);
            }
        }
        Write(quantised, folder, bytes);
        File.Copy(folder.File("config.json"), decoded.File("config.json"));
        SafetensorsWriter.Write(decoded.File("model.safetensors"), numbers);
        using var first = Checkpoint.Open(quantised.FullName);
        using var second = Checkpoint.Open(decoded.FullName);
        using var block = first.LoadBlock(options: new() { Type = ScalarType.Float32 });
        using var same = second.LoadBlock();
        var input = new PublishedCase("deepseek_v3").Numbers()["input"];

        Compare.SameBits(block.Layer.forward(input), same.Layer.forward(input));
        File.WriteAllText(quantised.File("config.json"), File.ReadAllText(quantised.File("config.json")).Replace("{", """{"quantization_config":{"weight_block_size":[64,64]},""", StringComparison.Ordinal));
        using var other = Checkpoint.Open(quantised.FullName);
        other.Invoking(it => it.LoadBlock()).Should().Throw<InvalidDataException>().WithMessage("*weight_block_size is [64,64]; expected [128, 128]*");
    }

    /// <summary>A block's matrices as MXFP4, and the numbers that these stand for in the unquantised layout.</summary>
    private static void Requantise(TemporaryFolder source, TemporaryFolder quantised, TemporaryFolder decoded)
    {
        var (bytes, numbers) = (new Dictionary<string, (ElementType Type, long[] Shape, byte[] Data)>(), new Dictionary<string, Tensor>());
        using (var file = SafetensorsFile.Open(source.File("weights.safetensors")))
        {
            foreach (var (name, entry) in file.Entries)
            {
                var values = file.ReadTensor(name);
                if (name is not (Experts + "gate_up_proj" or Experts + "down_proj"))
                {
                    (bytes[name], numbers[name]) = ((ElementType.Float32, [.. entry.Shape], Compare.Bits(values)), values);
                    continue;
                }
                var rows = values.transpose(1, 2).contiguous();
                var (blocks, scales, again) = (new byte[rows.numel() / 2], new byte[rows.numel() / 32], new float[rows.numel()]);
                Mxfp4.Encode(rows.data<float>().ToArray(), blocks, scales);
                Mxfp4.Decode(blocks, scales, again);
                bytes[$"{name}_blocks"] = (ElementType.UInt8, [.. rows.shape[..2], rows.size(2) / 32, 16], blocks);
                bytes[$"{name}_scales"] = (ElementType.UInt8, [.. rows.shape[..2], rows.size(2) / 32], scales);
                numbers[name] = tensor(again, rows.shape).transpose(1, 2);
            }
        }
        Write(quantised, source, bytes);
        File.Copy(source.File("config.json"), decoded.File("config.json"));
        SafetensorsWriter.Write(decoded.File("model.safetensors"), numbers);
    }

    private static void Write(TemporaryFolder target, TemporaryFolder source, Dictionary<string, (ElementType Type, long[] Shape, byte[] Data)> tensors)
    {
        File.Copy(source.File("config.json"), target.File("config.json"));
        SafetensorsWriter.WritePieces(
            target.File("model.safetensors"), tensors.Select(pair => new TensorDescription(pair.Key, pair.Value.Type, pair.Value.Shape)),
            (name, first, bytes) => tensors[name].Data.AsSpan((int)first, bytes.Length).CopyTo(bytes));
    }
}
