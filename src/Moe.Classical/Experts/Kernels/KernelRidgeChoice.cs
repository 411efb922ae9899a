using Moe.Core;
using static TorchSharp.torch;

namespace Moe.Classical;

/// <summary>The ridge and the length scale with the least leave-one-out error: one decomposition for each length scale that is tried tells the errors of all ridges.</summary>
internal sealed class KernelRidgeChoice
{
    private static readonly double[] Ridges = [.. Enumerable.Range(0, 17).Select(step => Math.Pow(10, (step / 2.0) - 8))];

    private KernelRidgeChoice(Kernel kernel, double ridge, ScaleMemory? scales) => (Kernel, Ridge, Scales) = (kernel, ridge, scales);

    public Kernel Kernel { get; }

    public double Ridge { get; }

    /// <summary>What a refit may know of the length scales; null if none was chosen.</summary>
    public ScaleMemory? Scales { get; }

    /// <summary>Chooses what the options leave open.</summary>
    /// <param name="options">The settings.</param>
    /// <param name="data">All rows of the fit.</param>
    /// <param name="kept">The places of the rows that are not negligible, [m].</param>
    /// <param name="inputs">Their inputs, scaled, [m, D].</param>
    /// <param name="response">Their responses, standardised, [m].</param>
    /// <param name="weights">Their weights, [m].</param>
    /// <param name="context">The previous expert, seed and cancellation.</param>
    public static KernelRidgeChoice Of(KernelRidgeOptions options, FitData data, int[] kept, Tensor inputs, Tensor response, double[] weights, FitContext context)
    {
        var stretch = options.ChooseLengthScale && options.Kernel is StationaryKernel;
        if (kept.Length < 3 || (!stretch && options.Ridge is not null))
            return new KernelRidgeChoice(options.Kernel, options.Ridge ?? 1e-4, null);
        var places = KeptRows.Most([.. Enumerable.Range(0, weights.Length)], place => weights[place], options.MaxSelectionRows, context.Seed);
        var index = KeptRows.Index(places);
        var some = inputs.index_select(0, index).contiguous();
        var target = response.index_select(0, index);
        var shares = tensor(places.Select(place => weights[place]).ToArray());
        var ridges = options.Ridge is { } given ? [given] : Ridges;
        Kernel[] kernels = stretch ? Stretched((StationaryKernel)options.Kernel, data.Width) : [options.Kernel];
        var (values, looked) = (HostMemory.Of<double>(data.Response.Values).ToArray(), Spread(places, kept, weights, (int)data.Rows));
        var before = (context.Previous as KernelRidgeExpert)?.Scales is { } memory && memory.Knows(values) ? memory : null;
        var tried = Tried(kernels, context.Previous as KernelRidgeExpert, before, looked);
        var least = Enumerable.Repeat(double.NaN, kernels.Length).ToArray();
        var best = (Scale: tried[0], Ridge: ridges[0], Error: double.PositiveInfinity);
        var squares = (kernels[tried[0]] as StationaryKernel)?.Squares(some, some);
        foreach (var scale in tried)
        {
            context.CancellationToken.ThrowIfCancellationRequested();
            using var scope = NewDisposeScope();

            // Each length scale is twice the one before, so that the squared distances are those of the first over a power of two, which rounds nothing.
            var step = scale - tried[0];
            var matrix = squares is null
                ? kernels[scale].Compute(some, some)
                : ((StationaryKernel)kernels[scale]).OfSquares(step == 0 ? squares : squares.mul(tensor(Math.ScaleB(1, -2 * step))));
            var errors = LeaveOneOutErrors(matrix, target, shares, ridges);
            least[scale] = errors.Min();
            for (var place = 0; place < ridges.Length; place++)
            {
                if (errors[place] < best.Error)
                    best = (scale, ridges[place], errors[place]);
            }
        }
        if (double.IsPositiveInfinity(best.Error))
            return new KernelRidgeChoice(options.Kernel, ridges[0], null);
        return new KernelRidgeChoice(kernels[best.Scale], best.Ridge, stretch ? ScaleMemory.After(least, best.Scale, values, looked, before) : null);
    }

    private static Kernel[] Stretched(StationaryKernel kernel, long width) => [.. Enumerable.Range(0, 8).Select(step => kernel.Stretch(Math.Sqrt(width) * Math.Pow(2, step - 5)))];

    /// <summary>
    /// The length scales to try, ascending: all, or that of the fit before and its neighbours, since a refit has nearly the same rows; of these those that may be better by now.
    /// </summary>
    private static int[] Tried(Kernel[] kernels, KernelRidgeExpert? previous, ScaleMemory? before, double[] looked)
    {
        var last = Array.FindIndex(kernels, kernel => kernel.Equals(previous?.Kernel));
        if (last < 0)
            return [.. Enumerable.Range(0, kernels.Length)];
        return [.. Enumerable.Range(last - 1, 3).Where(scale => scale >= 0 && scale < kernels.Length && (before?.Chosen != last || before.MayLead(scale, looked)))];
    }

    /// <summary>How much the choice looks at each row of the data, [n]; the sum is 1.</summary>
    private static double[] Spread(int[] places, int[] kept, double[] weights, int rows)
    {
        var (looked, sum) = (new double[rows], 0.0);
        foreach (var place in places)
            sum += weights[place];
        foreach (var place in places)
            looked[kept[place]] = weights[place] / sum;
        return looked;
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
