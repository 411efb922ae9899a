using System.Globalization;

namespace Moe.Benchmarks.Ratios;

/// <summary>The memory of this process that is really there, and the most that was, as Linux counts them.</summary>
internal static class ResidentMemory
{
    private const string HighWater = "/proc/self/clear_refs";

    /// <summary>Whether the system tells.</summary>
    public static bool IsTold => File.Exists(HighWater);

    /// <summary>What an action needs at its peak beyond what was there before it, in bytes.</summary>
    public static long PeakOf(Action action)
    {
        GC.Collect();
        GC.WaitForPendingFinalizers();
        // 5: forget the high-water mark.
        File.WriteAllText(HighWater, "5");
        var before = Status("VmRSS");
        action();
        return Math.Max(0, Status("VmHWM") - before);
    }

    private static long Status(string name)
    {
        var line = File.ReadLines("/proc/self/status").First(line => line.StartsWith(name + ":", StringComparison.Ordinal));
        return 1024 * long.Parse(line.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries)[1], CultureInfo.InvariantCulture);
    }
}
