using BenchmarkDotNet.Columns;
using BenchmarkDotNet.Configs;
using BenchmarkDotNet.Jobs;
using BenchmarkDotNet.Running;
using BenchmarkDotNet.Toolchains.InProcess.Emit;
using Moe.Benchmarks.Ratios;
using Perfolizer.Horology;

namespace Moe.Benchmarks.Parts;

/// <summary>The parts of a layer against the obvious way by torch's own operations, by BenchmarkDotNet. Look at Ratio, not at times.</summary>
internal static class PartsCommand
{
    /// <summary>Where logs and tables go, one table a part as Markdown; <c>--artifacts</c> names another place.</summary>
    private static readonly string Artifacts = Path.Combine("artifacts", "benchmarks");

    /// <summary>
    /// Code that is called often is compiled a second and a third time, each time after a pause in which nothing new was called. In a job that short these pauses would be measured:
    /// the first case of a loop came out at six times its time. Without them the same code is there after some tens of calls.
    /// </summary>
    private static readonly (string, string) CompileAtOnce = ("DOTNET_TC_CallCountingDelayMs", "0");

    /// <summary>
    /// Short: all parts have about two hundred cases, and each takes about ten iterations with those that look for the number of calls. What an empty call costs need not be known where calls
    /// take microseconds.
    /// </summary>
    private static Job Short => new Job("Parts")
        .WithToolchain(InProcessEmitToolchain.Instance)
        .WithIterationTime(TimeInterval.FromMilliseconds(100))
        .WithWarmupCount(1)
        .WithIterationCount(5)
        .WithEvaluateOverhead(false);

    /// <summary>Passes everything on to BenchmarkDotNet.</summary>
    public static int Run(string[] args)
    {
        if (MeasuringEnvironment.StartAgain(args, CompileAtOnce) is { } code)
            return code;

        string[] rest = args is [Commands.Parts, .. var after] ? after : args;
        var config = DefaultConfig.Instance
            .WithArtifactsPath(Artifacts)
            .HideColumns(Column.Error, Column.StdDev, Column.RatioSD);
        if (!Has(rest, "-j", "--job"))
            config = config.AddJob(Short.AsDefault());
        else if (!Has(rest, "-i", "--inProcess"))
            // In this process, whatever job is asked for: the native library of torch is a gigabyte that a generated project would copy.
            rest = [.. rest, "--inProcess"];
        var summaries = BenchmarkSwitcher.FromAssembly(typeof(PartsCommand).Assembly).Run(rest, config);
        return summaries.Any(summary => summary.HasCriticalValidationErrors || summary.Reports.Any(report => !report.Success)) ? Commands.Failed : Commands.Ok;
    }

    private static bool Has(string[] args, string brief, string name) =>
        args.Any(argument => argument == brief || argument == name || argument.StartsWith($"{name}=", StringComparison.Ordinal));
}
