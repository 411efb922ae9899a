using Moe.Core;
using static TorchSharp.torch;

namespace Moe.Classical;

/// <summary>Ridge regression on the functions of a kernel, with an intercept that is not penalised (Saunders et al. 1998).</summary>
/// <remarks>
/// Solves A α + 1 b = y, 1ᵀα = 0, A = K + λ Σw W⁻¹: as the error is a weighted mean, weights times a constant give the same model, and a weight of 2 is a row that is there
/// twice. Rows of less than 1e-6 of the mean weight are left out. Cost: n³ time and n² memory; the choice of ridge and length scale takes one eigendecomposition for each
/// length scale: eight at first, in a refit that of the fit before and its neighbours as far as they may be better by now (<see cref="FitContext.Previous"/>).
/// </remarks>
public sealed class KernelRidgeLearner : IExpertLearner
{
    /// <summary>A recipe.</summary>
    /// <param name="options">Settings; null for the defaults.</param>
    public KernelRidgeLearner(KernelRidgeOptions? options = null)
    {
        Options = options ?? new KernelRidgeOptions();
        Options.Validate(nameof(options));
    }

    /// <summary>The settings.</summary>
    public KernelRidgeOptions Options { get; }

    /// <inheritdoc/>
    public string Name => "kernel ridge";

    /// <inheritdoc/>
    public WeightSupport Weights => WeightSupport.Native;

    /// <inheritdoc/>
    public bool OverfitsOwnRows => true;

    /// <inheritdoc/>
    public bool AnswersOutOfSample => true;

    /// <inheritdoc/>
    public bool Takes(ResponseKind kind) => kind == ResponseKind.Real;

    /// <inheritdoc/>
    public IExpert Fit(FitData data, FitContext context)
    {
        ArgumentNullException.ThrowIfNull(data);
        ArgumentNullException.ThrowIfNull(context);
        if (!Takes(data.Response.Kind))
            throw new ArgumentException($"Kernel ridge regression takes real responses, got {data.Response.Kind}.", nameof(data));
        Options.Kernel.Validate(data.Width, nameof(data));
        using var scope = NewDisposeScope();
        using var constant = no_grad();
        var places = KeptRows.Of(data, Options.MaxRows, context.Seed);
        var index = KeptRows.Index(places);
        var weights = KeptRows.Normalised(data, places);
        var scaling = Options.Standardise ? WeightedScaling.Of(data.Inputs, data.Weights) : WeightedScaling.None((int)data.Width);
        var inputs = scaling.Apply(data.Inputs.index_select(0, index));
        var response = data.Response.Values.index_select(0, index);
        var level = WeightedScaling.Of(response, tensor(weights));
        var choice = KernelRidgeChoice.Of(Options, data, places, inputs, level.Apply(response), weights, context);
        return KernelRidgeExpert.Solve(choice, scaling, level, inputs, response, tensor(weights), data.Inputs, places);
    }
}
