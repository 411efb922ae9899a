using Moe.Core;

namespace Moe.Classical.Tests;

/// <summary>Another learner, whose first fits wait for one another, for a while, to see whether they run at a time.</summary>
internal sealed class MeetingLearner(IExpertLearner learner, int fits) : IExpertLearner
{
    private readonly TaskCompletionSource _together = new();
    private int _came;

    /// <summary>True if so many fits were under way at a time.</summary>
    public bool Met => _together.Task.IsCompleted;

    public string Name => learner.Name;

    public WeightSupport Weights => learner.Weights;

    public bool OverfitsOwnRows => learner.OverfitsOwnRows;

    public bool Takes(ResponseKind kind) => learner.Takes(kind);

    public IExpert Fit(FitData data, FitContext context)
    {
        if (Interlocked.Increment(ref _came) == fits)
            _together.SetResult();
        return _together.Task.Wait(20_000, context.CancellationToken) ? learner.Fit(data, context) : throw new TimeoutException("No other fit has come.");
    }
}
