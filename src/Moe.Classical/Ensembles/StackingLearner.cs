using Moe.Core;
using static TorchSharp.torch;

namespace Moe.Classical;

/// <summary>Fits a meta-learner to what other learners' experts answer to rows they did not see, then those learners to all rows (Wolpert 1992).</summary>
/// <remarks>
/// For classes, the meta-learner sees the probabilities of all classes, which sum to 1 for each expert: it must bear collinear columns, as one with a ridge does.
/// A learner that <see cref="IExpertLearner.AnswersOutOfSample"/> is fitted once, to all rows; others once a fold and once more. A fitted expert joins as a
/// <see cref="GivenLearner"/>; what it answers is honest only if it never saw these rows.
/// </remarks>
public sealed class StackingLearner : IExpertLearner
{
    private readonly IExpertLearner[] _learners;

    /// <summary>Stacks learners.</summary>
    /// <param name="learners">At least 1. Weights that one cannot take are made into drawn rows.</param>
    /// <param name="meta">Learns from their answers; null for a linear model with a small ridge for real numbers and a softmax regression with one for classes.</param>
    /// <param name="options">Null for the defaults.</param>
    /// <exception cref="ArgumentException">There are no learners, or options are out of range.</exception>
    public StackingLearner(IEnumerable<IExpertLearner> learners, IExpertLearner? meta = null, StackingOptions? options = null)
    {
        _learners = Members.Require(learners, nameof(learners));
        Options = options ?? new StackingOptions();
        Options.Validate(nameof(options));
        Meta = meta;
    }

    /// <summary>What is stacked.</summary>
    public IReadOnlyList<IExpertLearner> Learners => _learners;

    /// <summary>Learns from their answers; null where the kind of response decides.</summary>
    public IExpertLearner? Meta { get; }

    /// <summary>How.</summary>
    public StackingOptions Options { get; }

    /// <inheritdoc/>
    public string Name => "stacking";

    /// <inheritdoc/>
    public WeightSupport Weights => WeightSupport.Native;

    /// <inheritdoc/>
    public bool OverfitsOwnRows => _learners.Any(learner => learner.OverfitsOwnRows) || Meta is { OverfitsOwnRows: true };

    /// <inheritdoc/>
    public bool Takes(ResponseKind kind) => _learners.All(learner => learner.Takes(kind)) && MetaFor(kind) is { } meta && meta.Takes(kind);

    /// <summary>Fits a <see cref="Stacking"/>.</summary>
    /// <exception cref="ArgumentException">There are fewer rows than folds, or a learner refuses the rows; the message says why.</exception>
    public IExpert Fit(FitData data, FitContext context)
    {
        ArgumentNullException.ThrowIfNull(data);
        ArgumentNullException.ThrowIfNull(context);
        var meta = MetaFor(data.Response.Kind)
            ?? throw new ArgumentException($"There is no meta-learner for a response of kind {data.Response.Kind} unless one is given.", nameof(data));
        using var scope = NewDisposeScope();
        data = data.Counting(out _);
        if (data.Rows < Options.Folds)
            throw new ArgumentException($"Expected at least {Options.Folds} rows with weight, one a fold, got {data.Rows}.", nameof(data));
        var folds = Folds.Stratified(data.Response, Options.Folds, context.Seed);
        var experts = new IExpert[_learners.Length];
        var crossFits = new CrossFit[_learners.Length];
        try
        {
            ParallelRuns.Run(
                _learners.Length,
                Options.FitsAtOnce,
                number =>
                {
                    var own = context with { Previous = null, Seed = Members.Seed(context.Seed, number) };
                    crossFits[number] = CrossFit.Run(_learners[number], data, folds, null, own);
                    experts[number] = crossFits[number].FullFit ?? Members.FitOne(_learners[number], data, context, number);
                },
                context.CancellationToken);
            List<Tensor> parts = [.. crossFits.Select(crossFit => crossFit.Predictions)];
            if (Options.PassInputs)
                parts.Add(data.Inputs);
            var answers = new FitData(cat(parts, 1), data.Response, data.Weights);
            return new Stacking(experts, Members.FitOne(meta, answers, context, _learners.Length), Options.PassInputs);
        }
        finally
        {
            foreach (var crossFit in crossFits)
                crossFit?.Dispose();
        }
    }

    private IExpertLearner? MetaFor(ResponseKind kind) => Meta ?? kind switch
    {
        ResponseKind.Real => new LinearLearner(new LinearOptions { Ridge = 1e-3 }),
        ResponseKind.Class => new SoftmaxLearner(),
        _ => null,
    };
}
