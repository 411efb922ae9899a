using System.Globalization;
using static TorchSharp.torch;

namespace Moe.HuggingFace.Tests;

public sealed class LoadMemoryTests
{
    private const string HighWater = "/proc/self/clear_refs";

    [Fact]
    public void Loading_a_block_needs_little_more_memory_than_its_tensors_have_bytes()
    {
        // Elsewhere nobody tells what the most was.
        if (!File.Exists(HighWater))
            return;
        using var scope = NewDisposeScope();
        using var folder = new TemporaryFolder();

        // Both stacks are so large that no allocator serves them from what was freed before.
        long Write(int experts, int width, int hidden)
        {
            File.WriteAllText(folder.File("config.json"), $$"""
                {"model_type":"mixtral","hidden_act":"silu","hidden_size":{{width}},"intermediate_size":{{hidden}},"num_local_experts":{{experts}},"num_experts_per_tok":2}
                """);
            var tensors = Enumerable.Range(0, experts).SelectMany(expert => new[] { ("w1", hidden, width), ("w3", hidden, width), ("w2", width, hidden) }
                .Select(matrix => new TensorDescription($"model.layers.0.block_sparse_moe.experts.{expert}.{matrix.Item1}.weight", ElementType.Float32, [matrix.Item2, matrix.Item3])))
                .Append(new TensorDescription("model.layers.0.block_sparse_moe.gate.weight", ElementType.Float32, [experts, width])).ToArray();
            SafetensorsWriter.WritePieces(folder.File("model.safetensors"), tensors, (_, _, bytes) => bytes.Fill(0x3d));
            return tensors.Sum(tensor => tensor.Shape.Aggregate((long)sizeof(float), (product, size) => product * size));
        }

        // Code is compiled before anything is measured.
        Write(2, 8, 8);
        Load(folder);
        var bytes = Write(16, 512, 1100);
        GC.Collect();
        GC.WaitForPendingFinalizers();
        File.WriteAllText(HighWater, "5");
        var before = Status("VmRSS");
        Load(folder);
        var growth = Status("VmHWM") - before;

        growth.Should().BeInRange((long)(0.9 * bytes), (long)(1.2 * bytes));
    }

    private static void Load(TemporaryFolder folder)
    {
        using var checkpoint = Checkpoint.Open(folder.FullName);
        using var block = checkpoint.LoadBlock();
    }

    private static long Status(string name)
    {
        var line = File.ReadLines("/proc/self/status").First(line => line.StartsWith($"{name}:", StringComparison.Ordinal));
        return 1024 * long.Parse(line.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries)[1], CultureInfo.InvariantCulture);
    }
}
