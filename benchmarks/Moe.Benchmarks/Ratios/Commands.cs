using System.CommandLine;
using System.CommandLine.Invocation;
using Moe.Benchmarks.Checkpoints;
using Moe.Benchmarks.Em;

namespace Moe.Benchmarks.Ratios;

/// <summary>What the program can be asked for, and how it answers.</summary>
internal static class Commands
{
    public const string Parts = "parts";

    public const int Ok = 0;
    public const int Failed = 1;
    public const int BadUsage = 2;
    public const int Interrupted = 130;

    public static int Run(string[] args)
    {
        var parts = new Command(Parts, "Time the parts of the layer with BenchmarkDotNet. So does everything that is not named here, as --filter '*'. Its help: parts --help.")
        {
            TreatUnmatchedTokensAsErrors = false,
        };
        var root = new RootCommand("Measures what the layer of Moe.Core, the fits of Moe.Classical and the checkpoints of Moe.HuggingFace cost, as ratios.")
        {
            RatiosCommand.Make(args), EmCommand.Make(args), CheckpointsCommand.Make(), parts, PeakCommand.Make(),
        };
        var parsed = root.Parse(args);
        return parsed.Action is ParseErrorAction
            ? Fail(BadUsage, parsed.Errors.Select(error => error.Message))
            : parsed.Invoke();
    }

    /// <summary>Does what takes long, until Ctrl+C; the code to exit with.</summary>
    public static int Guarded(Action<CancellationToken> action)
    {
        using var cancellation = new CancellationTokenSource();
        ConsoleCancelEventHandler stop = (_, pressed) =>
        {
            // The first Ctrl+C ends the run, the second the process.
            pressed.Cancel = !cancellation.IsCancellationRequested;
            cancellation.Cancel();
        };
        Console.CancelKeyPress += stop;
        try
        {
            action(cancellation.Token);
            return Ok;
        }
        catch (OperationCanceledException)
        {
            return Fail(Interrupted, ["stopped; nothing was written."]);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException or InvalidOperationException)
        {
            return Fail(Failed, [exception.Message]);
        }
        finally
        {
            Console.CancelKeyPress -= stop;
        }
    }

    public static int Fail(int code, IEnumerable<string> messages)
    {
        foreach (var message in messages)
            Console.Error.WriteLine($"Error: {message}");
        return code;
    }
}
