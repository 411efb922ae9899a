using Moe.Core;

namespace Moe.Classical;

/// <summary>Fits several classifiers to the same rows and lets them vote.</summary>
public sealed class VotingLearner : IExpertLearner
{
    private readonly IExpertLearner[] _learners;

    /// <summary>Lets learners vote.</summary>
    /// <param name="learners">At least 1. Weights that one cannot take are made into drawn rows.</param>
    /// <param name="rule">What is counted.</param>
    /// <param name="fitsAtOnce">How many are fitted at once, at least 1. The result does not depend on it.</param>
    public VotingLearner(IEnumerable<IExpertLearner> learners, VotingRule rule = VotingRule.Hard, int fitsAtOnce = 1)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(fitsAtOnce, 1);
        if (!Enum.IsDefined(rule))
            throw new ArgumentException($"Expected Hard or Soft, got {rule}.", nameof(rule));
        _learners = Members.Require(learners, nameof(learners));
        (Rule, FitsAtOnce) = (rule, fitsAtOnce);
    }

    /// <summary>Who votes.</summary>
    public IReadOnlyList<IExpertLearner> Learners => _learners;

    /// <summary>What is counted.</summary>
    public VotingRule Rule { get; }

    /// <summary>How many learners are fitted at once.</summary>
    public int FitsAtOnce { get; }

    /// <inheritdoc/>
    public string Name => Rule == VotingRule.Hard ? "hard voting" : "soft voting";

    /// <inheritdoc/>
    public WeightSupport Weights => WeightSupport.Native;

    /// <inheritdoc/>
    public bool OverfitsOwnRows => _learners.Any(learner => learner.OverfitsOwnRows);

    /// <summary>True for classes, if all learners take them.</summary>
    public bool Takes(ResponseKind kind) => kind == ResponseKind.Class && _learners.All(learner => learner.Takes(kind));

    /// <inheritdoc/>
    public IExpert Fit(FitData data, FitContext context)
    {
        ArgumentNullException.ThrowIfNull(data);
        ArgumentNullException.ThrowIfNull(context);
        if (data.Response.Kind != ResponseKind.Class)
            throw new ArgumentException($"Experts vote on classes; the response is of kind {data.Response.Kind}.", nameof(data));
        return new Voting(Members.Fit(_learners, data, context, FitsAtOnce), Rule);
    }
}
