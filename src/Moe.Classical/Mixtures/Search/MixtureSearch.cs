using static TorchSharp.torch;

namespace Moe.Classical;

/// <summary>Chooses the number of experts: fits mixtures of each number, and takes the best by a criterion.</summary>
public sealed class MixtureSearch
{
    private readonly Func<int, MixtureLearner> _learner;

    /// <summary>A search.</summary>
    /// <param name="learner">Makes the learner of a number of experts, such as <c>k => MixtureLearner.Alike(k, new LinearLearner())</c>.</param>
    /// <param name="options">Which numbers, and by what; null for the defaults.</param>
    /// <exception cref="ArgumentException">An option is out of its range.</exception>
    public MixtureSearch(Func<int, MixtureLearner> learner, MixtureSearchOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(learner);
        Options = options ?? new MixtureSearchOptions();
        Options.Validate(nameof(options));
        _learner = learner;
    }

    /// <summary>Which numbers, and by what.</summary>
    public MixtureSearchOptions Options { get; }

    /// <summary>Fits and chooses. A number whose fit is degenerate counts for less than all whose is not.</summary>
    /// <param name="data">Rows.</param>
    /// <param name="context">Seed and cancellation; null for none.</param>
    /// <exception cref="ArgumentException">No number could be fitted, or the criterion is not known of any; the message says why.</exception>
    public MixtureChoice Choose(FitData data, FitContext? context = null)
    {
        ArgumentNullException.ThrowIfNull(data);
        context = (context ?? FitContext.Default) with { Previous = null };
        var candidates = new List<MixtureCandidate>();
        var (best, least) = ((FittedMixture?)null, (IsDegenerate: true, Value: double.PositiveInfinity));
        for (var experts = Options.Least; experts <= Options.Most; experts++)
        {
            try
            {
                var learner = _learner(experts);
                var mixture = learner.Fit(data, context);
                var left = Options.Criterion == SelectionCriterion.CrossValidation ? LeftOut(learner, data, context) : (double?)null;
                candidates.Add(new MixtureCandidate(experts, mixture.Report, left, null));
                var cost = Options.Criterion switch
                {
                    SelectionCriterion.Aic => mixture.Report!.Aic,
                    SelectionCriterion.Bic => mixture.Report!.Bic,
                    SelectionCriterion.Icl => mixture.Report!.Icl,
                    _ => -left,
                };
                if (cost is { } value && (mixture.Report!.Status == EmStatus.Degenerate, value).CompareTo(least) < 0)
                    (best, least) = (mixture, (mixture.Report.Status == EmStatus.Degenerate, value));
            }
            catch (ArgumentException exception)
            {
                candidates.Add(new MixtureCandidate(experts, null, null, exception.Message));
            }
        }
        return best is not null
            ? new MixtureChoice(best, Options.Criterion, candidates)
            : throw new ArgumentException($"No number of experts from {Options.Least} to {Options.Most} can be chosen by {Options.Criterion}: {Why(candidates)}.", nameof(data));
    }

    private static string Why(List<MixtureCandidate> candidates) =>
        string.Join("; ", candidates.Select(candidate => candidate.Failure ?? "the parameters of an expert cannot be counted, or it is judged out of fold").Distinct());

    private double LeftOut(MixtureLearner learner, FitData data, FitContext context)
    {
        int[] fold = [.. Folds.Stratified(data.Response, Options.Folds, context.Seed).FoldOfRow];
        var sum = 0.0;
        for (var held = 0; held < Options.Folds; held++)
        {
            using var scope = NewDisposeScope();
            var split = new MixtureRows.Split(data, fold, held);
            sum += learner.Fit(split.Train, context).LogLikelihood(split.Test);
        }
        return sum;
    }
}
