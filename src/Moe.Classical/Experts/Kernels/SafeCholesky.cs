using Moe.Core;
using static TorchSharp.torch;

namespace Moe.Classical;

/// <summary>Inverse and determinant of a symmetric positive definite matrix, with a little added to its diagonal where rounding asks for it.</summary>
internal static class SafeCholesky
{
    private static readonly double[] Ladder = [0, 1e-12, 1e-10, 1e-8, 1e-6, 1e-4];

    /// <summary>The inverse [n, n], symmetric; null if the matrix is not positive definite even with 1e-4 of its mean diagonal added.</summary>
    public static Tensor? Inverse(Tensor matrix, out double logDeterminant)
    {
        var rows = (int)matrix.size(0);
        var values = HostMemory.Of<double>(matrix);
        var trace = 0.0;
        for (var row = 0; row < rows; row++)
            trace += values[(row * rows) + row];
        logDeterminant = 0;
        if (!double.IsFinite(trace))
            return null;
        foreach (var step in Ladder)
        {
            using var raised = matrix.clone();
            var raisedValues = HostMemory.Of<double>(raised);
            for (var row = 0; row < rows; row++)
                raisedValues[(row * rows) + row] += step * trace / rows;
            var (factor, info) = linalg.cholesky_ex(raised);
            using (factor)
            using (info)
            {
                if (info.item<int>() != 0)
                    continue;
                using var diagonal = factor.diagonal().log().sum();
                logDeterminant = 2 * diagonal.item<double>();
                if (double.IsFinite(logDeterminant))
                    return cholesky_inverse(factor).contiguous();
            }
        }
        return null;
    }
}
