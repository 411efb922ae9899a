namespace Moe.Classical;

/// <summary>Least squares with weights and a penalty on standardised slopes, by Cholesky factors of the normal equations on standardised terms and one step of refinement.</summary>
/// <remarks>
/// Minimises Σ w (y - t β)² + λ |slopes|². The step of refinement (Björck 1996, ch. 2.9) solves again for what the residuals still hold, which makes up for the squared condition
/// number of normal equations. Terms that are combinations of others (1 - R² below 1e-11) have coefficient 0; with a penalty none is, and the least norm is chosen among them.
/// </remarks>
internal sealed class WeightedLeastSquares
{
    private readonly StandardTerms _terms;
    private readonly double[] _factor;

    /// <summary>Factors the equations.</summary>
    /// <param name="terms">t.</param>
    /// <param name="weights">w, [n]; empty for 1 each.</param>
    /// <param name="penalty">λ, absolute.</param>
    public WeightedLeastSquares(StandardTerms terms, ReadOnlySpan<double> weights, double penalty)
    {
        _terms = terms;
        Aliased = new bool[terms.Width];
        _factor = terms.Gram(weights);
        if (penalty > 0)
        {
            for (var term = 1; term < terms.Width; term++)
            {
                var place = (term * terms.Width) + term;
                if (_factor[place] > 0)
                    _factor[place] += penalty;
            }
        }
        Rank = AliasedCholesky.Factor(_factor, Aliased);
    }

    /// <summary>The terms left out, [P].</summary>
    public bool[] Aliased { get; }

    /// <summary>The number of terms kept.</summary>
    public int Rank { get; }

    /// <summary>β, standardised, into <paramref name="coefficients"/> [P].</summary>
    /// <param name="response">y, [n].</param>
    /// <param name="weights">w, [n]; as at the start.</param>
    /// <param name="penalty">λ; as at the start.</param>
    /// <param name="coefficients">[P].</param>
    public void Solve(ReadOnlySpan<double> response, ReadOnlySpan<double> weights, double penalty, Span<double> coefficients)
    {
        coefficients.Clear();
        Span<double> step = _terms.Width <= 128 ? stackalloc double[_terms.Width] : new double[_terms.Width];
        for (var round = 0; round < 2; round++)
        {
            step.Clear();
            for (var row = 0; row < _terms.Rows; row++)
            {
                var weight = weights.IsEmpty ? 1 : weights[row];
                if (weight == 0)
                    continue;
                var terms = _terms.Row(row);
                Products.AddScaled(step, terms, weight * (response[row] - Products.Dot(terms, coefficients)));
            }
            for (var term = 1; term < step.Length; term++)
                step[term] -= penalty * coefficients[term];
            AliasedCholesky.Substitute(_factor, Aliased, step);
            Products.AddScaled(coefficients, step, 1);
        }
    }

    /// <summary>The inverse of the matrix of the equations, [P, P], standardised.</summary>
    public double[] Inverse() => AliasedCholesky.Inverse(_factor, Aliased);

    /// <summary>w tᵀ A⁻¹ t of a row: how much its response moves its own prediction.</summary>
    /// <param name="row">Which.</param>
    /// <param name="weight">w.</param>
    /// <param name="scratch">[P].</param>
    public double Leverage(int row, double weight, Span<double> scratch)
    {
        var terms = _terms.Row(row);
        terms.CopyTo(scratch);
        AliasedCholesky.Substitute(_factor, Aliased, scratch);
        return weight * Products.Dot(terms, scratch);
    }
}
