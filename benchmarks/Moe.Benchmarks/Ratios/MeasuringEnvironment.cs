using System.Diagnostics;
using System.Runtime.InteropServices;
using TorchSharp;
using static TorchSharp.torch;

namespace Moe.Benchmarks.Ratios;

/// <summary>Variables that native libraries read when a process starts, and so have to be there before it does.</summary>
internal static class MeasuringEnvironment
{
    public const string Summary = "OMP_WAIT_POLICY=PASSIVE and, with glibc, an allocator that keeps what was freed";

    private const string StartedAgain = "MOE_BENCHMARKS_STARTED_AGAIN";

    private static readonly (string Name, string Value, bool IsOfGlibc)[] Wanted =
    [
        // Threads of OpenMP that wait by spinning make small operations several times slower where cores are few.
        ("OMP_WAIT_POLICY", "PASSIVE", false),
        // By default glibc maps every tensor of 32 MB or more afresh, and each costs its page faults: filling 100 MB then runs at a tenth of the rate.
        ("GLIBC_TUNABLES", "glibc.malloc.mmap_max=0:glibc.malloc.trim_threshold=17179869184:glibc.malloc.top_pad=268435456", true),
    ];

    /// <summary>Whether memory comes from glibc, whose settings these are.</summary>
    public static bool HasGlibc => OperatingSystem.IsLinux() && !RuntimeInformation.RuntimeIdentifier.Contains("musl", StringComparison.Ordinal);

    /// <summary>Runs the same command in a process that has the variables, where they are not set already.</summary>
    /// <param name="args">What this program was asked for.</param>
    /// <param name="more">Variables that only this command wants.</param>
    /// <returns>The exit code of that process; null where this one has all it needs.</returns>
    public static int? StartAgain(string[] args, params (string Name, string Value)[] more)
    {
        var wanted = Wanted.Where(variable => HasGlibc || !variable.IsOfGlibc).Select(variable => (variable.Name, variable.Value));
        var missing = wanted.Concat(more).Where(variable => Environment.GetEnvironmentVariable(variable.Name) is null).ToArray();
        if (missing.Length == 0 || Environment.GetEnvironmentVariable(StartedAgain) is not null)
            return null;

        var start = ThisProgram(args);
        start.Environment[StartedAgain] = "1";
        foreach (var (name, value) in missing)
            start.Environment[name] = value;
        using var process = Process.Start(start)!;
        ConsoleCancelEventHandler leaveItToTheOther = (_, pressed) => pressed.Cancel = true;
        Console.CancelKeyPress += leaveItToTheOther;
        using var termination = PosixSignalRegistration.Create(PosixSignal.SIGTERM, _ => process.Kill(entireProcessTree: true));
        process.WaitForExit();
        Console.CancelKeyPress -= leaveItToTheOther;
        return process.ExitCode;
    }

    /// <summary>How to start this program once more, with its output going where this one's goes.</summary>
    public static ProcessStartInfo ThisProgram(IEnumerable<string> args)
    {
        var program = Environment.ProcessPath!;
        // Started as `dotnet Moe.Benchmarks.dll`, the process is not the program.
        var isHost = Path.GetFileNameWithoutExtension(program) == "dotnet";
        return new ProcessStartInfo(program, isHost ? args.Prepend(typeof(MeasuringEnvironment).Assembly.Location) : args);
    }

    public static string Describe(MeasuringDevice device) => $"""
        device       {device.Name}
        processor    {Processor()}, {Environment.ProcessorCount} logical cores, {get_num_threads()} threads of torch
        system       {RuntimeInformation.OSDescription}, {RuntimeInformation.FrameworkDescription}
        torch        {__version__} (TorchSharp {typeof(torch).Assembly.GetName().Version})
        environment  {string.Join(' ', Wanted.Select(variable => $"{variable.Name}={Environment.GetEnvironmentVariable(variable.Name) ?? "(not set)"}"))}
        """;

    private static string Processor()
    {
        const string CpuInfo = "/proc/cpuinfo";
        var model = File.Exists(CpuInfo)
            ? File.ReadLines(CpuInfo).FirstOrDefault(line => line.StartsWith("model name", StringComparison.Ordinal))?.Split(':')[1].Trim()
            : Environment.GetEnvironmentVariable("PROCESSOR_IDENTIFIER");
        return model ?? RuntimeInformation.ProcessArchitecture.ToString();
    }
}
