using Moe.Core;
using static TorchSharp.torch;

namespace Moe.Classical;

/// <summary>Ridge regression on the functions of a kernel, with an intercept that is not penalised (Saunders et al. 1998).</summary>
/// <remarks>
/// Solves A α + 1 b = y, 1ᵀα = 0, A = K + λ Σw W⁻¹: as the error is a weighted mean, weights times a constant give the same model, and a weight of 2 is a row that is there
/// twice. Rows of less than 1e-6 of the mean weight are left out. Cost: n³ time and n² memory; the choice of ridge and length scale takes one eigendecomposition for each
/// length scale.
/// </remarks>
public sealed class KernelRidgeLearner : IExpertLearner
{
    private static readonly double[] Ridges = [.. Enumerable.Range(0, 17).Select(step => Math.Pow(10, (step / 2.0) - 8))];

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
        var (kernel, ridge) = Choose(inputs, level.Apply(response), weights, context);
        return KernelRidgeExpert.Solve(kernel, ridge, scaling, level, inputs, response, tensor(weights), data.Inputs, places);
    }

    private (Kernel Kernel, double Ridge) Choose(Tensor inputs, Tensor response, double[] weights, FitContext context)
    {
        var stretch = Options.ChooseLengthScale && Options.Kernel is StationaryKernel;
        if (inputs.size(0) < 3 || (!stretch && Options.Ridge is not null))
            return (Options.Kernel, Options.Ridge ?? 1e-4);
        var places = KeptRows.Most([.. Enumerable.Range(0, weights.Length)], place => weights[place], Options.MaxSelectionRows, context.Seed);
        var index = KeptRows.Index(places);
        var some = inputs.index_select(0, index).contiguous();
        var target = response.index_select(0, index);
        var shares = tensor(places.Select(place => weights[place]).ToArray());
        var ridges = Options.Ridge is { } given ? [given] : Ridges;
        var best = (Kernel: Options.Kernel, Ridge: ridges[0], Error: double.PositiveInfinity);
        Kernel[] kernels = stretch ? Stretched((int)inputs.size(1), context.Previous as KernelRidgeExpert) : [Options.Kernel];
        var squares = (kernels[0] as StationaryKernel)?.Squares(some, some);
        for (var step = 0; step < kernels.Length; step++)
        {
            context.CancellationToken.ThrowIfCancellationRequested();
            using var scope = NewDisposeScope();
            var kernel = kernels[step];

            // Each length scale is twice the one before, so that the squared distances are those of the first over a power of two, which rounds nothing.
            var matrix = squares is null ? kernel.Compute(some, some) : ((StationaryKernel)kernel).OfSquares(step == 0 ? squares : squares.mul(tensor(Math.ScaleB(1, -2 * step))));
            var errors = LeaveOneOutErrors(matrix, target, shares, ridges);
            for (var place = 0; place < ridges.Length; place++)
            {
                if (errors[place] < best.Error)
                    best = (kernel, ridges[place], errors[place]);
            }
        }
        return (best.Kernel, best.Ridge);
    }

    /// <summary>The kernels to choose from: all length scales, or that of the fit before and its neighbours, since a refit has nearly the same rows.</summary>
    private Kernel[] Stretched(int width, KernelRidgeExpert? previous)
    {
        Kernel[] all = [.. Enumerable.Range(0, 8).Select(step => ((StationaryKernel)Options.Kernel).Stretch(Math.Sqrt(width) * Math.Pow(2, step - 5)))];
        var last = Array.FindIndex(all, kernel => kernel.Equals(previous?.Kernel));
        return last < 0 ? all : all[Math.Max(last - 1, 0)..Math.Min(last + 2, all.Length)];
    }

    /// <summary>The weighted mean of squared leave-one-out errors for each ridge, from one decomposition W^½ K W^½ = Q S Qᵀ.</summary>
    private static double[] LeaveOneOutErrors(Tensor kernel, Tensor response, Tensor weights, double[] ridges)
    {
        var root = weights.sqrt().unsqueeze(1);
        var (values, vectors) = linalg.eigh(kernel.mul(root).mul(root.t()));
        var total = weights.sum();

        // d = 1 / (s + λ Σw), [n, L]: the answers to all ridges at once.
        var inverse = values.relu().unsqueeze(1).add(tensor(ridges).mul(total).unsqueeze(0), KeptScalars.One).reciprocal();
        var alpha = root.mul(vectors.matmul(inverse.mul(vectors.t().matmul(root.mul(response.unsqueeze(1))))));
        var unit = root.mul(vectors.matmul(inverse.mul(vectors.t().matmul(root))));
        var diagonal = weights.unsqueeze(1).mul(vectors.mul(vectors).matmul(inverse));
        var ones = unit.sum(dim: 0, keepdim: true);
        alpha = alpha.sub(unit.mul(alpha.sum(dim: 0, keepdim: true).div(ones)));
        diagonal = diagonal.sub(unit.mul(unit).div(ones));
        var errors = alpha.div(diagonal);
        return HostMemory.Of<double>(errors.mul(errors).mul(weights.unsqueeze(1)).sum(dim: 0).contiguous()).ToArray();
    }
}
