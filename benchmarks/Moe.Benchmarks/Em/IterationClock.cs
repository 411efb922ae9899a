using System.Diagnostics;
using Moe.Classical;

namespace Moe.Benchmarks.Em;

/// <summary>Notes when each iteration of a fit with one start ended, and what the thread of the fit had allocated by then.</summary>
internal sealed class IterationClock : IProgress<EmProgress>
{
    private readonly List<(long Time, long Allocated, long WorkingSet)> _ends = [];

    /// <summary>Milliseconds of each iteration but the first, which makes what the others use again.</summary>
    public IEnumerable<double> Milliseconds => Steps((before, after) => Stopwatch.GetElapsedTime(before.Time, after.Time).TotalMilliseconds);

    /// <summary>Managed bytes of each iteration but the first.</summary>
    public IEnumerable<double> ManagedBytes => Steps((before, after) => after.Allocated - before.Allocated);

    /// <summary>By how much the working set of the process grew between the second iteration and the last, in bytes.</summary>
    public double Growth => _ends.Count < 3 ? 0 : _ends[^1].WorkingSet - _ends[1].WorkingSet;

    /// <summary>Iterations.</summary>
    public int Count => _ends.Count;

    public bool AsksForMemory { get; init; }

    public void Report(EmProgress value) =>
        _ends.Add((Stopwatch.GetTimestamp(), GC.GetAllocatedBytesForCurrentThread(), AsksForMemory ? Environment.WorkingSet : 0));

    private IEnumerable<double> Steps(Func<(long Time, long Allocated, long WorkingSet), (long Time, long Allocated, long WorkingSet), double> difference) =>
        _ends.Zip(_ends.Skip(1), difference);
}
