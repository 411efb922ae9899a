using Moe.Core;
using static TorchSharp.torch;

namespace Moe.Classical;

/// <summary>Answers with what the nearest known rows have (Fix and Hodges 1951): their mean, or the shares of their classes.</summary>
/// <remarks>
/// A neighbour's vote is its row's weight times its <see cref="NeighbourWeighting"/>, and k counts rows of positive weight: weights times a constant give the same model, rows
/// of weight 0 are not there, but a weight of 2 is one neighbour with a double vote, not two neighbours.
/// </remarks>
public sealed class NearestNeighboursLearner : IExpertLearner
{
    /// <summary>A recipe.</summary>
    /// <param name="options">Settings; null for the defaults.</param>
    public NearestNeighboursLearner(NearestNeighboursOptions? options = null)
    {
        Options = options ?? new NearestNeighboursOptions();
        Options.Validate(nameof(options));
    }

    /// <summary>The settings.</summary>
    public NearestNeighboursOptions Options { get; }

    /// <inheritdoc/>
    public string Name => "nearest neighbours";

    /// <inheritdoc/>
    public WeightSupport Weights => WeightSupport.Native;

    /// <inheritdoc/>
    public bool OverfitsOwnRows => true;

    /// <inheritdoc/>
    public bool AnswersOutOfSample => true;

    /// <inheritdoc/>
    public bool Takes(ResponseKind kind) => kind is ResponseKind.Real or ResponseKind.Class;

    /// <inheritdoc/>
    public IExpert Fit(FitData data, FitContext context)
    {
        ArgumentNullException.ThrowIfNull(data);
        ArgumentNullException.ThrowIfNull(context);
        if (!Takes(data.Response.Kind))
            throw new ArgumentException($"Nearest neighbours take real responses and classes, got {data.Response.Kind}.", nameof(data));
        using var scope = NewDisposeScope();
        using var constant = no_grad();
        var scaling = Options.Standardise ? WeightedScaling.Of(data.Inputs, data.Weights) : WeightedScaling.None((int)data.Width);
        var weights = data.Weights is null ? ones(data.Rows, dtype: ScalarType.Float64) : data.Weights.div(data.Weights.max());
        return new NearestNeighboursExpert(Options, data.Response.Kind == ResponseKind.Class ? data.Response.Classes : 0, scaling, scaling.Apply(data.Inputs), data.Response.Values.clone(), weights);
    }
}
