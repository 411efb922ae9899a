using System.Runtime.InteropServices;
using Moe.Core.Tests;
using static TorchSharp.torch;

namespace Moe.HuggingFace.Tests;

public sealed class HugeCheckpointTests
{
    private const int Layers = 3000, Experts = 4, Width = 1024, Hidden = 512;

    [Fact]
    public void A_block_of_a_checkpoint_of_75_GB_is_found_and_loaded_alone()
    {
        // Nearly all of them are a hole in the file, which other systems have without being asked.
        if (OperatingSystem.IsWindows())
            return;
        using var scope = NewDisposeScope();
        using var folder = new TemporaryFolder();
        File.WriteAllText(folder.File("config.json"), $$"""
            {"model_type":"mixtral","hidden_act":"silu","hidden_size":{{Width}},"intermediate_size":{{Hidden}},"num_local_experts":{{Experts}},"num_experts_per_tok":2}
            """);
        var plan = FilePlan.Of(Enumerable.Range(0, Layers).SelectMany(Tensors), metadata: null, TensorOrder.AsGiven);
        var last = plan.Entries.Where(entry => entry.Name.StartsWith($"model.layers.{Layers - 1}.", StringComparison.Ordinal)).ToDictionary(entry => entry, entry => randn([.. entry.Shape]));
        using (var file = new FileStream(folder.File("model.safetensors"), FileMode.Create))
        {
            file.Write(plan.Head);
            file.SetLength(plan.Head.Length + plan.Entries[^1].End);
            foreach (var (entry, numbers) in last)
            {
                file.Seek(plan.Head.Length + entry.Begin, SeekOrigin.Begin);
                file.Write(MemoryMarshal.AsBytes(numbers.data<float>().ToArray().AsSpan()));
            }
        }

        using var checkpoint = Checkpoint.Open(folder.FullName);
        using var block = checkpoint.LoadBlock(Layers - 1);
        var weights = block.Weights();

        checkpoint.Blocks.Should().HaveCount(Layers);
        checkpoint.Tensors.Entries.Values.Sum(entry => entry.ByteCount).Should().BeGreaterThan(75_000_000_000);
        weights.Should().HaveCount(last.Count);
        foreach (var (entry, numbers) in last)
            Compare.SameBits(weights[entry.Name], numbers);
    }

    private static IEnumerable<TensorDescription> Tensors(int layer)
    {
        var block = $"model.layers.{layer}.block_sparse_moe.";
        yield return new($"{block}gate.weight", ElementType.Float32, [Experts, Width]);
        for (var expert = 0; expert < Experts; expert++)
        {
            yield return new($"{block}experts.{expert}.w1.weight", ElementType.Float32, [Hidden, Width]);
            yield return new($"{block}experts.{expert}.w3.weight", ElementType.Float32, [Hidden, Width]);
            yield return new($"{block}experts.{expert}.w2.weight", ElementType.Float32, [Width, Hidden]);
        }
    }
}
