namespace Moe.Classical;

/// <summary>Makes probabilities of K classes of the probabilities within each pair. Not for several threads at once.</summary>
/// <remarks>
/// Wu, Lin and Weng (2004, "Probability estimates for multi-class classification by pairwise coupling"), second method: minimises Σᵢ Σⱼ≠ᵢ (rⱼᵢpᵢ - rᵢⱼpⱼ)² over
/// Σ p = 1. With Q their matrix, p solves Qp = -λe, eᵀp = 1 (their equation 21), and so (Q + c·eeᵀ)p ∝ e for any c above 0, which is positive definite where
/// Q alone is singular: Cholesky, K³/6 products.
/// </remarks>
internal sealed class PairwiseCoupling(int classes)
{
    private readonly double[] _matrix = new double[classes * classes];

    /// <summary>Solves one row.</summary>
    /// <param name="pairwise">rᵢⱼ at i·K + j, above 0 and below 1, with rᵢⱼ + rⱼᵢ = 1: the probability of class i where it is i or j. The diagonal is not read.</param>
    /// <param name="probabilities">Gets K numbers of at least 0 with sum 1.</param>
    public void Solve(ReadOnlySpan<double> pairwise, Span<double> probabilities)
    {
        var trace = 0.0;
        for (var row = 0; row < classes; row++)
        {
            var sum = 0.0;
            for (var other = 0; other < classes; other++)
            {
                if (other == row)
                    continue;
                var against = pairwise[(other * classes) + row];
                sum += against * against;
                _matrix[(row * classes) + other] = -against * pairwise[(row * classes) + other];
            }
            _matrix[(row * classes) + row] = sum;
            trace += sum;
        }
        var lift = trace / classes;
        for (var place = 0; place < _matrix.Length; place++)
            _matrix[place] += lift;
        Factor();
        Substitute(probabilities);
    }

    private void Factor()
    {
        for (var row = 0; row < classes; row++)
        {
            for (var column = 0; column <= row; column++)
            {
                var sum = _matrix[(row * classes) + column];
                for (var inner = 0; inner < column; inner++)
                    sum -= _matrix[(row * classes) + inner] * _matrix[(column * classes) + inner];
                _matrix[(row * classes) + column] = column == row ? Math.Sqrt(Math.Max(sum, 1e-300)) : sum / _matrix[(column * classes) + column];
            }
        }
    }

    private void Substitute(Span<double> solution)
    {
        for (var row = 0; row < classes; row++)
        {
            var sum = 1.0;
            for (var inner = 0; inner < row; inner++)
                sum -= _matrix[(row * classes) + inner] * solution[inner];
            solution[row] = sum / _matrix[(row * classes) + row];
        }
        var total = 0.0;
        for (var row = classes - 1; row >= 0; row--)
        {
            var sum = solution[row];
            for (var inner = row + 1; inner < classes; inner++)
                sum -= _matrix[(inner * classes) + row] * solution[inner];
            solution[row] = sum / _matrix[(row * classes) + row];
        }
        for (var row = 0; row < classes; row++)
        {
            // The solution is never negative but for rounding.
            solution[row] = Math.Max(solution[row], 0);
            total += solution[row];
        }
        for (var row = 0; row < classes; row++)
            solution[row] /= total;
    }
}
