using Moe.Core;
using static TorchSharp.torch;

namespace Moe.Classical;

/// <summary>Answers to every row by experts that did not see it.</summary>
/// <remarks>A learner's answers to rows it was fitted to say nothing of how good it is; these do. Owns its tensor, not its experts.</remarks>
public sealed class CrossFit : IDisposable
{
    private CrossFit(Tensor predictions, IReadOnlyList<IExpert> experts, IExpert? full)
    {
        Predictions = predictions;
        Experts = experts;
        FullFit = full;
    }

    /// <summary>[n, Dout], Float64 on the CPU: each row's answer by the expert of the fold that leaves it out.</summary>
    public Tensor Predictions { get; }

    /// <summary>Each fold's expert if they are kept; empty otherwise.</summary>
    public IReadOnlyList<IExpert> Experts { get; }

    /// <summary>The expert fitted to all rows that gave the answers as an <see cref="IOutOfSample"/>; null where folds were fitted.</summary>
    public IExpert? FullFit { get; }

    /// <summary>Fits a learner once a fold, without that fold's rows, and asks it for them.</summary>
    /// <param name="learner">What to fit. Weights that it cannot take are made into drawn rows.</param>
    /// <param name="data">n rows.</param>
    /// <param name="folds">Of n rows.</param>
    /// <param name="options">Null for the defaults.</param>
    /// <param name="context">Seed, cancellation. Its previous expert starts only a fit to all rows: it has seen the rows that the folds leave out.</param>
    /// <param name="previous">Where each fold's fit starts from, such as <see cref="Experts"/> of a run on the same folds; null for fresh starts.</param>
    /// <exception cref="ArgumentException">Options or numbers of rows do not fit, or the rows of a fit all have weight 0, or the learner refuses them.</exception>
    /// <exception cref="InvalidOperationException">The learner said wrongly that its experts answer out of sample.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    public static CrossFit Run(
        IExpertLearner learner, FitData data, Folds folds, CrossFitOptions? options = null, FitContext? context = null, IReadOnlyList<IExpert>? previous = null)
    {
        ArgumentNullException.ThrowIfNull(learner);
        ArgumentNullException.ThrowIfNull(data);
        ArgumentNullException.ThrowIfNull(folds);
        options ??= new CrossFitOptions();
        options.Validate(nameof(options));
        context ??= FitContext.Default;
        if (folds.Rows != data.Rows)
            throw new ArgumentException($"Expected folds of {data.Rows} rows, got {folds.Rows}.", nameof(folds));
        if (previous is not null && previous.Count != folds.Count)
            throw new ArgumentException($"Expected {folds.Count} previous experts, one a fold, got {previous.Count}.", nameof(previous));
        context.CancellationToken.ThrowIfCancellationRequested();

        using var scope = NewDisposeScope();
        if (options.AllowOutOfSample && learner.AnswersOutOfSample && learner.Weights == WeightSupport.Native)
        {
            var full = ExpertAnswers.Checked(ResampledFit.Fit(learner, data, context), data, learner.Name);
            using var answers = ExpertAnswers.OutOfSample(full, learner.Name);
            return new CrossFit(answers.to(ScalarType.Float64, CPU).contiguous().clone().DetachFromDisposeScope(), [], full);
        }
        var experts = new IExpert[options.KeepExperts ? folds.Count : 0];
        var predictions = zeros(data.Rows, data.Response.Width, dtype: ScalarType.Float64, device: CPU);
        ParallelRuns.Run(folds.Count, options.FitsAtOnce, Fold, context.CancellationToken);
        return new CrossFit(predictions.DetachFromDisposeScope(), experts, null);

        void Fold(int fold)
        {
            using var inner = NewDisposeScope();
            var train = data.Select(folds.TrainRows(fold));
            if (train.Weights is { } weights && !HostMemory.Of<double>(weights).ContainsAnyExcept(0.0))
                throw new ArgumentException($"Without fold {fold}, every row has weight 0.", nameof(data));
            var fit = ResampledFit.Fit(learner, train, context with { Previous = previous?[fold] });
            var expert = ExpertAnswers.Checked(fit, data, learner.Name);
            if (options.KeepExperts)
                experts[fold] = expert;
            var rows = folds.TestRows(fold);
            var answers = HostMemory.Of<double>(ExpertAnswers.Of(expert, data.Inputs.index_select(0, rows)));
            var target = HostMemory.Of<double>(predictions);
            var numbers = HostMemory.Of<long>(rows);
            var width = data.Response.Width;
            for (var place = 0; place < numbers.Length; place++)
                answers.Slice(place * width, width).CopyTo(target.Slice((int)numbers[place] * width, width));
        }
    }

    /// <inheritdoc/>
    public void Dispose() => Predictions.Dispose();
}
