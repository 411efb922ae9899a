using System.Diagnostics;

namespace Moe.Benchmarks.Tests;

/// <summary>The benchmark as a real process.</summary>
internal static class BenchmarkProgram
{
    private const string Project = "Moe.Benchmarks";

    public static (int ExitCode, string Errors) Run(params string[] arguments)
    {
        using var process = Process.Start(new ProcessStartInfo(DotnetHost(), [Assembly(), .. arguments]) { RedirectStandardOutput = true, RedirectStandardError = true })!;
        var output = process.StandardOutput.ReadToEndAsync();
        var errors = process.StandardError.ReadToEnd();
        output.Wait();
        process.WaitForExit();
        return (process.ExitCode, errors);
    }

    /// <summary>…/tests/Moe.Benchmarks.Tests/bin/(configuration)/(framework)/ and …/benchmarks/Moe.Benchmarks/bin/… are of the same shape.</summary>
    private static string Assembly()
    {
        var here = new DirectoryInfo(AppContext.BaseDirectory);
        var root = here.Parent!.Parent!.Parent!.Parent!.Parent!;
        return Path.Combine(root.FullName, "benchmarks", Project, "bin", here.Parent.Name, here.Name, $"{Project}.dll");
    }

    /// <summary>The host of the runtime that runs this: it need not be on the path.</summary>
    private static string DotnetHost()
    {
        var runtime = new DirectoryInfo(Path.GetDirectoryName(typeof(object).Assembly.Location)!);
        return Path.Combine(runtime.Parent!.Parent!.Parent!.FullName, OperatingSystem.IsWindows() ? "dotnet.exe" : "dotnet");
    }
}
