using Moe.Core;
using static TorchSharp.torch;

namespace Moe.Classical;

/// <summary>Regression by a Gaussian process with noise (Rasmussen and Williams 2006, algorithm 2.1).</summary>
/// <remarks>
/// The noise of a row is σ² / w_i, weights brought to mean 1 among rows of positive weight: weights times a constant give the same model, rows of weight 0 are not there, and
/// two equal rows count as one of double weight relative to the others. Rows of less than 1e-6 of the mean weight are left out. Hyper-parameters are those of the largest
/// marginal likelihood that a quasi-Newton search finds within bounds, in logarithms. Cost: n³ time and n² memory, n at most <see cref="GaussianProcessOptions.MaxRows"/>.
/// </remarks>
public sealed class GaussianProcessLearner : IExpertLearner
{
    /// <summary>A recipe.</summary>
    /// <param name="options">Settings; null for the defaults.</param>
    public GaussianProcessLearner(GaussianProcessOptions? options = null)
    {
        Options = options ?? new GaussianProcessOptions();
        Options.Validate(nameof(options));
    }

    /// <summary>The settings.</summary>
    public GaussianProcessOptions Options { get; }

    /// <inheritdoc/>
    public string Name => "gp";

    /// <inheritdoc/>
    public WeightSupport Weights => WeightSupport.Native;

    /// <inheritdoc/>
    public bool OverfitsOwnRows => true;

    /// <inheritdoc/>
    public bool AnswersOutOfSample => true;

    /// <inheritdoc/>
    public bool Takes(ResponseKind kind) => kind == ResponseKind.Real;

    /// <inheritdoc/>
    /// <remarks>A previous <see cref="GaussianProcessExpert"/> of the same kernel and number of length scales gives the hyper-parameters to start from.</remarks>
    public IExpert Fit(FitData data, FitContext context)
    {
        ArgumentNullException.ThrowIfNull(data);
        ArgumentNullException.ThrowIfNull(context);
        if (!Takes(data.Response.Kind))
            throw new ArgumentException($"Gaussian processes take real responses, got {data.Response.Kind}.", nameof(data));
        if (Options.Parameters is { } given && given.LengthScales.Count != 1 && given.LengthScales.Count != data.Width)
            throw new ArgumentException($"There are {given.LengthScales.Count} length scales; there must be 1, or one for each of {data.Width} columns.", nameof(data));
        using var scope = NewDisposeScope();
        using var constant = no_grad();
        var places = KeptRows.Of(data, Options.MaxRows, context.Seed);
        var index = KeptRows.Index(places);
        var weights = KeptRows.Normalised(data, places);
        var scaling = Options.Standardise ? WeightedScaling.Of(data.Inputs, data.Weights) : WeightedScaling.None((int)data.Width);
        var level = Options.Standardise ? WeightedScaling.Of(data.Response.Values, data.Weights) : WeightedScaling.None(1);
        var inputs = scaling.Apply(data.Inputs.index_select(0, index));
        var response = level.Apply(data.Response.Values.index_select(0, index));
        var parameters = Options.Parameters ?? Search(inputs, response, weights, context);
        return GaussianProcessExpert.Condition(Options.Kernel, parameters, scaling, level, inputs, response, tensor(weights), data.Inputs, places);
    }

    private GaussianProcessParameters Search(Tensor inputs, Tensor response, double[] weights, FitContext context)
    {
        var places = KeptRows.Most([.. Enumerable.Range(0, weights.Length)], place => weights[place], Options.MaxSearchRows, context.Seed);
        if (places.Length < weights.Length)
        {
            var index = KeptRows.Index(places);
            (inputs, response) = (inputs.index_select(0, index).contiguous(), response.index_select(0, index).contiguous());
            weights = [.. places.Select(place => weights[place])];
        }
        var width = Math.Sqrt(inputs.size(1));
        var scales = Options.SeparateLengthScales ? (int)inputs.size(1) : 1;
        var unit = Options.Standardise ? 1 : Math.Max(response.mul(response).mean().item<double>(), 1e-12);
        var reach = Options.Standardise ? width : width * Math.Max(inputs.std(unbiased: false).item<double>(), 1e-12);
        var likelihood = new MarginalLikelihood(Options.Kernel, inputs, response, weights);
        double[] Point(double signal, double noise, Func<int, double> length) =>
            [Math.Log(signal), Math.Log(noise), .. Enumerable.Range(0, scales).Select(place => Math.Log(length(place)))];
        var least = Point(unit * 1e-3, unit * 1e-6, _ => reach * 1e-2);
        var most = Point(unit * 1e3, unit * 10, _ => reach * 1e2);

        if (context.Previous is GaussianProcessExpert previous && previous.InputWidth == inputs.size(1) && previous.Kernel.GetType() == Options.Kernel.GetType()
            && previous.Parameters.LengthScales.Count == scales)
        {
            var known = previous.Parameters;
            var warm = Point(known.SignalVariance, known.NoiseVariance, place => known.LengthScales[place]);
            if (double.IsFinite(BoxedQuasiNewton.Minimise(likelihood.At, warm, least, most, Options.WarmSteps, context.CancellationToken)))
                return Read(warm);
        }
        double[] best = Point(unit, unit * 0.1, _ => reach);
        var lowest = double.PositiveInfinity;
        for (var start = 0; start < Options.Starts; start++)
        {
            // Short and long scales in turn: 0.3, 1, 0.1, 3, 0.03 ...
            var length = reach * Math.Pow(10, (start % 2 == 0 ? -(start / 2) - 1 : (start - 1) / 2) / 2.0);
            var point = Point(unit, unit * 0.1, _ => length);
            var value = BoxedQuasiNewton.Minimise(likelihood.At, point, least, most, Options.MaxSteps, context.CancellationToken);
            if (value < lowest)
                (best, lowest) = (point, value);
        }
        return Read(best);
    }

    private static GaussianProcessParameters Read(double[] point) =>
        new() { SignalVariance = Math.Exp(point[0]), NoiseVariance = Math.Exp(point[1]), LengthScales = [.. point.Skip(2).Select(Math.Exp)] };
}
