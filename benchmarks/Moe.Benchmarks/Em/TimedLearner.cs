using System.Diagnostics;
using Moe.Classical;
using Moe.Core;

namespace Moe.Benchmarks.Em;

/// <summary>A learner that keeps the time of its fits. Of one thread.</summary>
internal sealed class TimedLearner(IExpertLearner learner) : IExpertLearner
{
    private long _ticks;

    /// <summary>Of all fits since the last reset.</summary>
    public double Milliseconds => Stopwatch.GetElapsedTime(0, _ticks).TotalMilliseconds;

    public string Name => learner.Name;

    public WeightSupport Weights => learner.Weights;

    public bool OverfitsOwnRows => learner.OverfitsOwnRows;

    public bool AnswersOutOfSample => learner.AnswersOutOfSample;

    public bool Takes(ResponseKind kind) => learner.Takes(kind);

    public void Reset() => _ticks = 0;

    public IExpert Fit(FitData data, FitContext context)
    {
        var start = Stopwatch.GetTimestamp();
        var expert = learner.Fit(data, context);
        _ticks += Stopwatch.GetTimestamp() - start;
        return expert;
    }
}
