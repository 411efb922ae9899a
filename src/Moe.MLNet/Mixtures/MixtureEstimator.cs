using Microsoft.ML;
using Moe.Classical;
using Moe.Core;
using static TorchSharp.torch;

namespace Moe.MLNet;

/// <summary>Fits a mixture of experts, or any expert that an <see cref="IExpertLearner"/> fits, inside an ML.NET pipeline.</summary>
/// <remarks>
/// Append it where a trainer would stand: <c>context.Transforms.NormalizeMeanVariance("Features").Append(new MixtureEstimator(learner))</c>. All rows are read into memory.
/// </remarks>
public sealed class MixtureEstimator : IEstimator<MixtureTransformer>
{
    private readonly Func<FitData, CancellationToken, IExpert> _fit;
    private readonly MixtureEstimatorOptions _options;

    /// <summary>An estimator that fits by a learner, from the columns Features and Label.</summary>
    /// <param name="learner">Fits the mixture.</param>
    public MixtureEstimator(IExpertLearner learner)
        : this(learner, null)
    {
    }

    /// <summary>An estimator that fits by a learner.</summary>
    /// <param name="learner">Fits the mixture.</param>
    /// <param name="options">The columns; null for the defaults.</param>
    /// <exception cref="ArgumentException">An option is not valid.</exception>
    public MixtureEstimator(IExpertLearner learner, MixtureEstimatorOptions? options)
        : this(By(learner, options), options)
    {
    }

    /// <summary>An estimator that fits by a function.</summary>
    /// <param name="fit">Fits the mixture to rows; must not keep their tensors. Its answers are means, or probabilities of classes.</param>
    /// <param name="options">The columns; null for the defaults.</param>
    /// <exception cref="ArgumentException">An option is not valid.</exception>
    public MixtureEstimator(Func<FitData, CancellationToken, IExpert> fit, MixtureEstimatorOptions? options)
    {
        ArgumentNullException.ThrowIfNull(fit);
        _fit = fit;
        _options = options ?? new MixtureEstimatorOptions();
        _options.Validate(nameof(options));
    }

    /// <summary>Fits the mixture to all rows of a view.</summary>
    /// <exception cref="ArgumentException">A column is missing or of another type, a number is not finite, a label is missing, or the learner cannot be fitted to the rows.</exception>
    public MixtureTransformer Fit(IDataView input)
    {
        ArgumentNullException.ThrowIfNull(input);
        using var scope = NewDisposeScope();
        var label = LabelledRows.Column(input.Schema, _options.LabelColumn);
        var data = LabelledRows.Read(input, _options);
        var expert = _fit(data, _options.CancellationToken) ?? throw new InvalidOperationException("The function that fits the mixture gave null.");
        if (expert.InputWidth != data.Width || expert.OutputWidth != data.Response.Width)
            throw new ArgumentException($"The fitted expert maps {expert.InputWidth} numbers to {expert.OutputWidth}; the rows need {data.Width} and {data.Response.Width}.", nameof(input));
        var kind = LabelledRows.Kind(label.Name, label.Type);
        return new MixtureTransformer(expert, kind, kind == LabelKind.Key ? ClassNames.Of(label) : ClassNames.None, _options.FeatureColumn, _options.GateColumn);
    }

    /// <summary>The columns that the fitted mixture will give.</summary>
    /// <exception cref="ArgumentException">A column is missing or of another type.</exception>
    public SchemaShape GetOutputSchema(SchemaShape inputSchema)
    {
        ArgumentNullException.ThrowIfNull(inputSchema);
        return MixtureShape.Output(inputSchema, _options);
    }

    private static Func<FitData, CancellationToken, IExpert> By(IExpertLearner learner, MixtureEstimatorOptions? options)
    {
        ArgumentNullException.ThrowIfNull(learner);
        var seed = options?.Seed ?? 0;
        return (data, cancellation) => learner.Takes(data.Response.Kind)
            ? learner.Fit(data, new FitContext { Seed = seed, CancellationToken = cancellation })
            : throw new ArgumentException($"{learner.Name} does not take responses of kind {data.Response.Kind}.", nameof(learner));
    }
}
