using System.Buffers.Binary;
using System.Diagnostics;
using System.Runtime.InteropServices;
using System.Text;
using System.Text.Json;
using static TorchSharp.torch;

namespace Moe.Samples.Tests.HuggingFaceBlock;

/// <summary>Ctrl+C, in a process of its own.</summary>
public sealed class InterruptionTests : IDisposable
{
    private const int SignalNumber = 2;
    private static readonly TimeSpan Limit = TimeSpan.FromMinutes(1);
    private readonly TorchSharp.DisposeScope _scope = NewDisposeScope();

    [Fact]
    public async Task A_conversion_that_is_interrupted_says_so_and_leaves_nothing()
    {
        if (!OperatingSystem.IsLinux() || IgnoresInterruptions())
            return;
        using var published = BlockFolder.Golden("mixtral");
        AddLargeShard(published);
        var converted = published.PathOf("new/converted");
        using var process = Process.Start(new ProcessStartInfo(Runtime())
        {
            ArgumentList = { Path.Combine(AppContext.BaseDirectory, "HuggingFaceBlock.dll"), "convert", "--checkpoint", published.Checkpoint, "--to", "fused", "--output", converted },
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        })!;
        var (output, error) = (process.StandardOutput.ReadToEndAsync(), process.StandardError.ReadToEndAsync());
        SpinWait.SpinUntil(() => process.HasExited || Directory.Exists(converted + ".tmp"), Limit).Should().BeTrue("it begins to write");

        using var limit = new CancellationTokenSource(Limit);
        using (var kill = Process.Start("kill", ["-s", "INT", $"{process.Id}"]))
            await kill.WaitForExitAsync(limit.Token);
        await process.WaitForExitAsync(limit.Token);

        (process.ExitCode, await output, await error).Should().Be((130, "", "Stopped.\n"));
        Directory.Exists(published.PathOf("new")).Should().BeFalse("nothing is half written");
    }

    public void Dispose() => _scope.Dispose();

    /// <summary>Puts two gigabytes of zeros before the block, a hole in the file: enough to be interrupted while they are copied.</summary>
    private static void AddLargeShard(BlockFolder published)
    {
        const string Large = "model-00001-of-00002.safetensors", Block = "model-00002-of-00002.safetensors", Name = "model.embed_tokens.weight";
        const long Bytes = 1L << 31;
        var header = Encoding.UTF8.GetBytes($$$"""{"{{{Name}}}":{"dtype":"U8","shape":[{{{Bytes}}}],"data_offsets":[0,{{{Bytes}}}]}}""".PadRight(120));
        var length = new byte[8];
        BinaryPrimitives.WriteInt64LittleEndian(length, header.Length);
        using (var file = File.Create(Path.Combine(published.Checkpoint, Large)))
        {
            file.Write(length);
            file.Write(header);
            file.SetLength(length.Length + header.Length + Bytes);
        }
        File.Move(published.WeightsPath, Path.Combine(published.Checkpoint, Block));
        var fileOf = published.Weights.Keys.ToDictionary(name => name, _ => Block);
        fileOf[Name] = Large;
        File.WriteAllText(Path.Combine(published.Checkpoint, "model.safetensors.index.json"), JsonSerializer.Serialize(new { weight_map = fileOf }));
    }

    /// <summary>What a shell runs in the background ignores Ctrl+C, and so does what that starts.</summary>
    private static bool IgnoresInterruptions() =>
        (Convert.ToUInt64(File.ReadLines("/proc/self/status").Single(line => line.StartsWith("SigIgn:", StringComparison.Ordinal)).Split('\t')[1], 16) & (1 << (SignalNumber - 1))) != 0;

    /// <summary>The program that runs this test.</summary>
    private static string Runtime() => Path.Combine(new DirectoryInfo(RuntimeEnvironment.GetRuntimeDirectory()).Parent!.Parent!.Parent!.FullName, "dotnet");
}
