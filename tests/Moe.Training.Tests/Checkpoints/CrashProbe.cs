using System.Diagnostics;

namespace Moe.Training.Tests.Checkpoints;

/// <summary>The training of Moe.Training.CrashProbe as a real process.</summary>
internal sealed class CrashProbe : IDisposable
{
    private const string Project = "Moe.Training.CrashProbe";
    private readonly Process _process;

    public CrashProbe(string checkpoint, int epochs)
    {
        // …/tests/Moe.Training.Tests/bin/<configuration>/<framework>/ has a neighbour of the same shape.
        var here = new DirectoryInfo(AppContext.BaseDirectory);
        var program = Path.Combine(
            here.Parent!.Parent!.Parent!.Parent!.FullName, Project, "bin", here.Parent.Name, here.Name, $"{Project}.dll");
        var start = new ProcessStartInfo(DotnetHost(), [program, checkpoint, $"{epochs}"]) { RedirectStandardOutput = true, RedirectStandardError = true };
        start.Environment["OMP_WAIT_POLICY"] = "PASSIVE";
        _process = Process.Start(start)!;
        _process.ErrorDataReceived += (_, line) => Errors += line.Data;
        _process.BeginErrorReadLine();
    }

    public string Errors { get; private set; } = "";

    /// <summary>The next line that the process prints; null when it has ended.</summary>
    public string? ReadLine() => _process.StandardOutput.ReadLine();

    /// <summary>Ends it as a power cut would: without a chance to tidy up.</summary>
    public void Kill()
    {
        _process.Kill(entireProcessTree: true);
        _process.WaitForExit();
    }

    /// <summary>Lets it end, and gives its last line.</summary>
    public string Finish()
    {
        var last = "";
        while (ReadLine() is { } line)
            last = line;
        _process.WaitForExit();
        _process.ExitCode.Should().Be(0, "it should train to its end, but said: {0}", Errors);
        return last;
    }

    public void Dispose()
    {
        if (!_process.HasExited)
            Kill();
        _process.Dispose();
    }

    /// <summary>The host of the runtime that runs this: it need not be on the path.</summary>
    private static string DotnetHost()
    {
        var runtime = new DirectoryInfo(Path.GetDirectoryName(typeof(object).Assembly.Location)!);
        return Path.Combine(runtime.Parent!.Parent!.Parent!.FullName, OperatingSystem.IsWindows() ? "dotnet.exe" : "dotnet");
    }
}
