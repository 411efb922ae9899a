using Microsoft.ML;
using Moe.Classical;
using Moe.Core;
using static TorchSharp.torch;

namespace Moe.MLNet;

/// <summary>Fits any ML.NET estimator as an expert: a trainer, or a pipeline that ends in one.</summary>
/// <remarks>
/// <para>Weights go to the trainer as a column, divided by their mean, so that weights of another scale give the same model; rows of less than 10⁻⁸ of the mean weight are
/// left out, and with equal weights there is no such column. ML.NET reckons in Float32, and rows beyond its range are refused.</para>
/// <para>ML.NET has no way to stop a trainer at work: a fit is cancelled before it begins and while the trainer reads rows.</para>
/// <para>For classes, the trainer sees those that rows have; the expert gives the others the probability 0.</para>
/// </remarks>
public sealed partial class MLNetLearner : IExpertLearner
{
    private readonly Func<MLContext, MLNetFitColumns, IEstimator<ITransformer>> _estimator;
    private readonly MLNetLearnerOptions _options;

    /// <summary>A learner of any estimator.</summary>
    /// <param name="name">Short name for tables.</param>
    /// <param name="estimator">
    /// Makes the estimator: of a context with the fit's seed, and the names of the columns. Called for each fit, maybe on several threads at once. Sets the number of threads
    /// of trainers that have one to 1, unless the fit is the only one that runs.
    /// </param>
    /// <param name="options">What is to be known of it; null for the defaults, those of a weighted regression.</param>
    /// <exception cref="ArgumentException">An option is not valid.</exception>
    public MLNetLearner(string name, Func<MLContext, MLNetFitColumns, IEstimator<ITransformer>> estimator, MLNetLearnerOptions? options = null)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(name);
        ArgumentNullException.ThrowIfNull(estimator);
        Name = name;
        _estimator = estimator;
        _options = options ?? new MLNetLearnerOptions();
        _options.Validate(nameof(options));
    }

    /// <inheritdoc/>
    public string Name { get; }

    /// <inheritdoc/>
    public WeightSupport Weights => _options.Weights;

    /// <inheritdoc/>
    public bool OverfitsOwnRows => _options.OverfitsOwnRows;

    /// <inheritdoc/>
    public bool Takes(ResponseKind kind) => _options.Responses.Contains(kind);

    /// <inheritdoc/>
    public IExpert Fit(FitData data, FitContext context)
    {
        ArgumentNullException.ThrowIfNull(data);
        ArgumentNullException.ThrowIfNull(context);
        if (!Takes(data.Response.Kind))
            throw new ArgumentException($"{Name} takes responses of kind {string.Join(", ", _options.Responses)}, not {data.Response.Kind}.", nameof(data));
        context.CancellationToken.ThrowIfCancellationRequested();
        var rows = new TrainingRows(data);
        if (rows.Weights is not null && Weights != WeightSupport.Native)
            throw new ArgumentException($"{Name} takes no weights, but those of the rows are not equal.", nameof(data));
        var seed = (int)((context.Seed ^ (context.Seed >> 31)) & int.MaxValue);
        var machine = new MLContext(seed);
        var columns = new MLNetFitColumns(data.Response.Kind, rows.Classes?.Length ?? 0, rows.Weights is not null, seed);
        var estimator = _estimator(machine, columns) ?? throw new InvalidOperationException($"The estimator of {Name} is null.");
        var model = Fit(estimator, rows.View(columns, context.CancellationToken), rows.Count, context.CancellationToken);
        var options = new MLNetExpertOptions { OutputColumn = _options.OutputColumn, Score = _options.Score, InputSchema = rows.SchemaFor(model, columns) };
        var expert = new MLNetExpert(model, data.Width, options, rows.Classes, data.Response.Classes);
        if (expert.OutputWidth != data.Response.Width)
            throw new ArgumentException($"{Name} answers with {expert.OutputWidth} numbers; responses of kind {data.Response.Kind} need {data.Response.Width}.", nameof(data));
        Probe(expert, data, rows.Count);
        return expert;
    }

    /// <summary>Some trainers make a model of too few rows that answers NaN to everything: such a fit has failed.</summary>
    private void Probe(MLNetExpert expert, FitData data, int count)
    {
        using var scope = NewDisposeScope();
        try
        {
            expert.forward(data.Inputs.narrow(0, 0, 1));
        }
        catch (InvalidOperationException exception)
        {
            throw new ArgumentException($"{Name} could not be fitted to {count} rows: {exception.Message}", nameof(data), exception);
        }
    }

    private ITransformer Fit(IEstimator<ITransformer> estimator, RowsView rows, int count, CancellationToken cancellation)
    {
        try
        {
            return estimator.Fit(rows);
        }
        catch (Exception exception) when (exception is not OutOfMemoryException && cancellation.IsCancellationRequested)
        {
            throw new OperationCanceledException($"The fit of {Name} was cancelled.", exception, cancellation);
        }
        catch (Exception exception) when (exception is InvalidOperationException or ArgumentException or FormatException)
        {
            throw new ArgumentException($"{Name} could not be fitted to {count} rows: {exception.Message}", exception);
        }
    }
}
