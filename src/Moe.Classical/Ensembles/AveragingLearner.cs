using Moe.Core;

namespace Moe.Classical;

/// <summary>Fits several learners to the same rows and averages their answers.</summary>
public sealed class AveragingLearner : IExpertLearner
{
    private readonly IExpertLearner[] _learners;

    /// <summary>Averages learners.</summary>
    /// <param name="learners">At least 1. Weights that one cannot take are made into drawn rows.</param>
    /// <param name="fitsAtOnce">How many are fitted at once, at least 1. The result does not depend on it.</param>
    public AveragingLearner(IEnumerable<IExpertLearner> learners, int fitsAtOnce = 1)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(fitsAtOnce, 1);
        _learners = Members.Require(learners, nameof(learners));
        FitsAtOnce = fitsAtOnce;
    }

    /// <summary>What is averaged.</summary>
    public IReadOnlyList<IExpertLearner> Learners => _learners;

    /// <summary>How many learners are fitted at once.</summary>
    public int FitsAtOnce { get; }

    /// <inheritdoc/>
    public string Name => "averaging";

    /// <inheritdoc/>
    public WeightSupport Weights => WeightSupport.Native;

    /// <inheritdoc/>
    public bool OverfitsOwnRows => _learners.Any(learner => learner.OverfitsOwnRows);

    /// <inheritdoc/>
    public bool Takes(ResponseKind kind) => _learners.All(learner => learner.Takes(kind));

    /// <inheritdoc/>
    public IExpert Fit(FitData data, FitContext context)
    {
        ArgumentNullException.ThrowIfNull(data);
        ArgumentNullException.ThrowIfNull(context);
        return new Averaging(Members.Fit(_learners, data, context, FitsAtOnce));
    }
}
