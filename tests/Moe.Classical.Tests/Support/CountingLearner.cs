using Moe.Core;

namespace Moe.Classical.Tests;

/// <summary>Another learner, its fits counted.</summary>
internal sealed class CountingLearner(IExpertLearner learner) : IExpertLearner
{
    private int _fits;

    public int Fits => _fits;

    public string Name => learner.Name;

    public WeightSupport Weights => learner.Weights;

    public bool OverfitsOwnRows => learner.OverfitsOwnRows;

    public bool AnswersOutOfSample { get; init; }

    public bool Takes(ResponseKind kind) => learner.Takes(kind);

    public IExpert Fit(FitData data, FitContext context)
    {
        Interlocked.Increment(ref _fits);
        return learner.Fit(data, context);
    }
}
