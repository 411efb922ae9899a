using static TorchSharp.torch;

namespace Moe.HuggingFace.Tests;

/// <summary>A model of two layers with embeddings around them: the block of a published case, and one of other weights after it.</summary>
internal static class TwoLayerModel
{
    public const string Embeddings = "model.embed_tokens.weight";

    /// <summary>A checkpoint's folder.</summary>
    /// <param name="name">The published case.</param>
    /// <param name="layout">That of both blocks.</param>
    /// <param name="maxShardBytes">Of a shard; one file, if all fits.</param>
    /// <param name="mixedTypes">Whether all is in BFloat16 but for biases that choose, as DeepSeek-V3 is published.</param>
    public static TemporaryFolder Of(string name, BlockLayout layout, long maxShardBytes = long.MaxValue, bool mixedTypes = false)
    {
        using var scope = NewDisposeScope();
        using var source = new PublishedCase(name).Checkpoint();
        using var folder = new TemporaryFolder();
        using (var checkpoint = Checkpoint.Open(source.FullName))
        {
            var tensors = Tensors(checkpoint);
            foreach (var tensor in tensors.Keys.Where(tensor => mixedTypes && !tensor.EndsWith("bias", StringComparison.Ordinal)).ToArray())
                tensors[tensor] = tensors[tensor].to(ScalarType.BFloat16);
            SafetensorsWriter.WriteShards(
                folder.FullName, tensors.Select(pair => TensorWriting.Describe(pair.Key, pair.Value)),
                (tensor, first, bytes) => Core.Tests.Compare.Bits(tensors[tensor]).AsSpan((int)first, bytes.Length).CopyTo(bytes), maxShardBytes, new Dictionary<string, string> { ["format"] = "pt" });
        }
        File.Copy(source.File("config.json"), folder.File("config.json"));
        File.WriteAllText(folder.File("tokenizer.json"), "{}");
        var result = new TemporaryFolder();
        using (var checkpoint = Checkpoint.Open(folder.FullName))
            checkpoint.Convert(layout, result.FullName);
        return result;
    }

    private static Dictionary<string, Tensor> Tensors(Checkpoint checkpoint)
    {
        var (beginning, second) = (checkpoint.Block().Beginning, checkpoint.Family.Blocks[0].Replace("{layer}", $"{checkpoint.Block().Layer + 1}", StringComparison.Ordinal));
        var tensors = new Dictionary<string, Tensor> { [Embeddings] = randn(10, 32) };
        foreach (var name in checkpoint.Tensors.Entries.Keys)
            tensors[name] = checkpoint.Files.ReadTensor(name);
        foreach (var (name, weight) in tensors.Where(pair => pair.Key.StartsWith(beginning, StringComparison.Ordinal)).ToArray())
            tensors[second + name[beginning.Length..]] = ((0.75 * weight) + (0.25 * weight.flip(0))).to(weight.dtype);
        tensors["lm_head.weight"] = randn(10, 32);
        return tensors;
    }
}
