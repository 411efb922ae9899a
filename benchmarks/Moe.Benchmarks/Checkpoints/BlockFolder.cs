using Moe.HuggingFace;

namespace Moe.Benchmarks.Checkpoints;

/// <summary>A checkpoint with one block of Mixtral's kind, in a folder that is gone afterwards.</summary>
internal sealed class BlockFolder : IDisposable
{
    private readonly string _folder;

    public BlockFolder(string parent, BlockLayout layout, ElementType type, int experts, int width, int hidden)
    {
        _folder = Directory.CreateDirectory(Path.Combine(parent, Path.GetRandomFileName())).FullName;
        try
        {
            File.WriteAllText(Path.Combine(_folder, "config.json"), $$"""
                {"model_type":"mixtral","hidden_act":"silu","hidden_size":{{width}},"intermediate_size":{{hidden}},"num_local_experts":{{experts}},"num_experts_per_tok":2}
                """);
            var random = new Random(1);
            TensorDescription[] tensors =
                [.. Tensors(layout, experts, width, hidden).Select(tensor => new TensorDescription($"model.layers.0.{tensor.Name}", type, tensor.Shape))];
            SafetensorsWriter.WritePieces(FileName, tensors, (_, _, bytes) => random.NextBytes(bytes));
            using var file = SafetensorsFile.Open(FileName);
            Bytes = file.Entries.Values.Sum(entry => entry.ByteCount);
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    public string FileName => Path.Combine(_folder, "model.safetensors");

    /// <summary>Of all tensors.</summary>
    public long Bytes { get; }

    /// <summary>All from opening the folder to a layer that could compute.</summary>
    public void Load()
    {
        using var checkpoint = Checkpoint.Open(_folder);
        using var block = checkpoint.LoadBlock();
    }

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    private static IEnumerable<(string Name, long[] Shape)> Tensors(BlockLayout layout, int experts, int width, int hidden)
    {
        if (layout == BlockLayout.Fused)
            return [("mlp.gate.weight", [experts, width]), ("mlp.experts.gate_up_proj", [experts, 2 * hidden, width]), ("mlp.experts.down_proj", [experts, width, hidden])];
        const string Expert = "block_sparse_moe.experts";
        return Enumerable.Range(0, experts)
            .SelectMany(expert => new (string, long[])[] { ($"{Expert}.{expert}.w1.weight", [hidden, width]), ($"{Expert}.{expert}.w2.weight", [width, hidden]), ($"{Expert}.{expert}.w3.weight", [hidden, width]) })
            .Prepend(("block_sparse_moe.gate.weight", [experts, width]));
    }
}
