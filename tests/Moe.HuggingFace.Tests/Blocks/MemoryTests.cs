using System.Globalization;

namespace Moe.HuggingFace.Tests;

public sealed class MemoryTests
{
    private const string HighWater = "/proc/self/clear_refs";

    [Fact]
    public void Loading_a_block_needs_little_more_memory_than_its_tensors_have_bytes()
    {
        // Elsewhere nobody tells what the most was.
        if (!File.Exists(HighWater))
            return;
        using var folder = new TemporaryFolder();
        var bytes = Write(folder);

        var growth = Growth(() => Load(folder));

        growth.Should().BeInRange((long)(0.9 * bytes), (long)(1.2 * bytes));
    }

    [Theory]
    [InlineData(BlockLayout.Fused)]
    [InlineData(BlockLayout.PerExpert)]
    public void Converting_a_block_needs_the_memory_of_single_experts(BlockLayout to)
    {
        if (!File.Exists(HighWater))
            return;
        using var folder = new TemporaryFolder();
        using var target = new TemporaryFolder();
        var bytes = Write(folder);
        Convert(folder.FullName, BlockLayout.Fused, target.File("fused"));
        var source = to == BlockLayout.Fused ? folder.FullName : target.File("fused");

        var growth = Growth(() => Convert(source, to, target.File("converted")));

        growth.Should().BeLessThan(bytes / 2);
    }

    /// <summary>Stacks so large that no allocator serves them from what was freed before. Their bytes.</summary>
    private static long Write(TemporaryFolder folder)
    {
        const int Experts = 16, Width = 512, Hidden = 1100;

        // Code is compiled before anything is measured.
        Write(folder, 2, 8, 8);
        Load(folder);
        return Write(folder, Experts, Width, Hidden);
    }

    private static long Write(TemporaryFolder folder, int experts, int width, int hidden)
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

    /// <summary>By how much the most memory that an action takes is more than before it.</summary>
    private static long Growth(Action action)
    {
        GC.Collect();
        GC.WaitForPendingFinalizers();
        File.WriteAllText(HighWater, "5");
        var before = Status("VmRSS");
        action();
        return Status("VmHWM") - before;
    }

    private static void Convert(string folder, BlockLayout to, string target)
    {
        using var checkpoint = Checkpoint.Open(folder);
        checkpoint.Convert(to, target);
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
