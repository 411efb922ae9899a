using System.Diagnostics;

namespace Moe.Benchmarks.Measured;

/// <summary>Rounds of a measurement for a time.</summary>
internal static class Rounds
{
    private const int Fewest = 3;

    /// <summary>Runs rounds to warm up for half the time, at least one, then rounds until the time is over, at least three.</summary>
    /// <param name="seconds">The time.</param>
    /// <param name="round">A round; true for one that counts.</param>
    /// <param name="cancellation">Ends it between two rounds.</param>
    public static void Run(double seconds, Action<bool> round, CancellationToken cancellation)
    {
        var start = Stopwatch.GetTimestamp();
        do
        {
            // The runtime compiles loops that are hot again.
            cancellation.ThrowIfCancellationRequested();
            round(false);
        }
        while (Stopwatch.GetElapsedTime(start).TotalSeconds < 0.5 * seconds);
        start = Stopwatch.GetTimestamp();
        for (var number = 0; number < Fewest || Stopwatch.GetElapsedTime(start).TotalSeconds < seconds; number++)
        {
            cancellation.ThrowIfCancellationRequested();
            round(true);
        }
    }

    /// <summary>How long an action takes, in milliseconds.</summary>
    public static double Time(Action action)
    {
        var start = Stopwatch.GetTimestamp();
        action();
        return Stopwatch.GetElapsedTime(start).TotalMilliseconds;
    }
}
