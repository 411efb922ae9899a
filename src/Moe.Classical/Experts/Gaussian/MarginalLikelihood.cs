using Moe.Core;
using static TorchSharp.torch;

namespace Moe.Classical;

/// <summary>-log p(y) of rows under a Gaussian process with noise σ² / w_i, w of mean 1, and its gradient (Rasmussen and Williams 2006, equation 5.9).</summary>
/// <remarks>
/// Point: log s², log σ², then log ℓ, one or one for each column. The exact likelihood of rows to the power of their weights has Σ (w_i - 1) log σ² / 2 besides, which is 0
/// here.
/// </remarks>
internal sealed class MarginalLikelihood(StationaryKernel kernel, Tensor inputs, Tensor response, double[] weights)
{
    public double At(double[] point, double[] gradient)
    {
        using var scope = NewDisposeScope();
        var rows = weights.Length;
        var width = (int)inputs.size(1);
        var scales = point.Length - 2;
        var lengths = Enumerable.Range(0, width).Select(column => Math.Exp(point[scales == 1 ? 2 : 2 + column])).ToArray();
        var signal = Math.Exp(point[0]);
        var noise = Math.Exp(point[1]);
        var scaled = inputs.div(tensor(lengths)).contiguous();
        var squares = SquaredDistances.Of(scaled, scaled);
        var factor = tensor(signal, dtype: ScalarType.Float64);
        var covariance = kernel.OfSquares(squares).mul(factor);
        var total = covariance.clone();
        var entries = HostMemory.Of<double>(total);
        for (var row = 0; row < rows; row++)
            entries[(row * rows) + row] += noise / weights[row];
        if (SafeCholesky.Inverse(total, out var logDeterminant) is not { } inverse)
            return double.PositiveInfinity;
        var alpha = inverse.matmul(response);
        var value = 0.5 * (alpha.dot(response).item<double>() + logDeterminant + (rows * Math.Log(2 * Math.PI)));

        // G = K⁻¹ - α αᵀ; each derivative is half the trace of G dK.
        var difference = inverse.sub(alpha.unsqueeze(1).mul(alpha.unsqueeze(0))).contiguous();
        gradient[0] = 0.5 * difference.mul(covariance).sum().item<double>();
        var diagonal = HostMemory.Of<double>(difference);
        gradient[1] = 0;
        for (var row = 0; row < rows; row++)
            gradient[1] += 0.5 * diagonal[(row * rows) + row] * noise / weights[row];

        // Σ_ij H_ij (a_i - a_j)² of each column = 2 Σ_i a_i (h_i a_i - (H a)_i), h the sums of rows.
        var slope = difference.mul(kernel.SlopeOfSquares(squares)).mul(factor);
        var sums = slope.sum(dim: 1, keepdim: true);
        var columns = HostMemory.Of<double>(scaled.mul(sums.mul(scaled).sub(slope.matmul(scaled))).sum(dim: 0).contiguous());
        Array.Clear(gradient, 2, scales);
        for (var column = 0; column < width; column++)
            gradient[scales == 1 ? 2 : 2 + column] -= 2 * columns[column];
        return double.IsFinite(value) && gradient.All(double.IsFinite) ? value : double.PositiveInfinity;
    }
}
