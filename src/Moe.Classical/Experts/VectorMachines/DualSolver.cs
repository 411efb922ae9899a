namespace Moe.Classical;

/// <summary>Solves the dual of the two-class machine by sequential minimal optimisation.</summary>
/// <remarks>
/// In β = y·α: maximise Σ yᵢβᵢ - ½ βᵀKβ with Σ βᵢ = 0, βᵢ from 0 to yᵢCᵢ. Each step changes two rows, chosen by second-order information (Fan, Chen and Lin 2005,
/// "Working set selection using second order information for training support vector machines", WSS 2). With g = y - Kβ, the optimum is where no row that may
/// grow has a larger g than a row that may shrink.
/// </remarks>
internal static class DualSolver
{
    // Stands in for a curvature that is 0, as between equal rows (their algorithm 2).
    private const double LeastCurvature = 1e-12;
    private const int StepsBetweenCancellationChecks = 256;

    /// <summary>Solves it.</summary>
    /// <param name="kernel">The kernel matrix of the rows.</param>
    /// <param name="upper">The greatest βᵢ: Cᵢ for rows of the first class, 0 for the others. Both classes have a row.</param>
    /// <param name="lower">The least βᵢ: -Cᵢ for rows of the second class, 0 for the others.</param>
    /// <param name="tolerance">Stops when no two rows differ by more in g.</param>
    /// <param name="maxIterations">Stops after so many steps.</param>
    /// <param name="cancellation">Looked at now and then.</param>
    public static DualSolution Solve(KernelRowCache kernel, double[] upper, double[] lower, double tolerance, int maxIterations, CancellationToken cancellation)
    {
        var count = upper.Length;
        var beta = new double[count];
        var gradient = new double[count];
        for (var row = 0; row < count; row++)
            gradient[row] = upper[row] > 0 ? 1 : -1;
        for (var step = 0; ; step++)
        {
            if (step % StepsBetweenCancellationChecks == 0)
                cancellation.ThrowIfCancellationRequested();
            var first = MostEager(beta, upper, gradient);
            var most = gradient[first];
            var line = kernel[first];
            var (second, least) = BestPartner(first, line, kernel.Diagonal, beta, lower, gradient);
            var optimal = second < 0 || most - least <= tolerance;
            if (optimal || step == maxIterations)
                return new DualSolution(beta, Bias(beta, upper, lower, gradient, (most + least) / 2), step, optimal);
            Step(first, second, line, kernel[second], kernel.Diagonal, beta, upper, lower, gradient);
        }
    }

    private static int MostEager(ReadOnlySpan<double> beta, ReadOnlySpan<double> upper, ReadOnlySpan<double> gradient)
    {
        var best = -1;
        var most = double.NegativeInfinity;
        for (var row = 0; row < beta.Length; row++)
        {
            if (gradient[row] > most && beta[row] < upper[row])
            {
                most = gradient[row];
                best = row;
            }
        }
        return best;
    }

    /// <summary>The row to shrink that promises the largest gain with the row that grows, or -1; and the least g of rows that may shrink.</summary>
    private static (int Row, double Least) BestPartner(
        int first, ReadOnlySpan<double> line, ReadOnlySpan<double> diagonal, ReadOnlySpan<double> beta, ReadOnlySpan<double> lower, ReadOnlySpan<double> gradient)
    {
        var most = gradient[first];
        var own = diagonal[first];
        var best = -1;
        var gain = double.NegativeInfinity;
        var least = double.PositiveInfinity;
        for (var row = 0; row < beta.Length; row++)
        {
            if (beta[row] <= lower[row])
                continue;
            least = Math.Min(least, gradient[row]);
            var difference = most - gradient[row];
            if (difference <= 0)
                continue;
            var promised = difference * difference / Math.Max(own + diagonal[row] - (2 * line[row]), LeastCurvature);
            if (promised > gain)
            {
                gain = promised;
                best = row;
            }
        }
        return (best, least);
    }

    private static void Step(
        int first, int second, ReadOnlySpan<double> firstLine, ReadOnlySpan<double> secondLine, ReadOnlySpan<double> diagonal,
        double[] beta, double[] upper, double[] lower, double[] gradient)
    {
        var length = (gradient[first] - gradient[second]) / Math.Max(diagonal[first] + diagonal[second] - (2 * firstLine[second]), LeastCurvature);
        var grow = upper[first] - beta[first];
        var shrink = beta[second] - lower[second];
        // A bound that is reached is reached exactly, or rounding would have the same row chosen for ever.
        if (length >= grow && grow <= shrink)
            length = grow;
        else if (length >= shrink)
            length = shrink;
        beta[first] = length == grow ? upper[first] : beta[first] + length;
        beta[second] = length == shrink ? lower[second] : beta[second] - length;
        for (var row = 0; row < gradient.Length; row++)
            gradient[row] -= length * (firstLine[row] - secondLine[row]);
    }

    /// <summary>Rows between their bounds lie on their margin, which gives the bias; where there is none, every bias between two limits is optimal.</summary>
    private static double Bias(double[] beta, double[] upper, double[] lower, double[] gradient, double middle)
    {
        var sum = 0.0;
        var free = 0;
        for (var row = 0; row < beta.Length; row++)
        {
            if (beta[row] > lower[row] && beta[row] < upper[row])
            {
                sum += gradient[row];
                free++;
            }
        }
        return free > 0 ? sum / free : middle;
    }
}
