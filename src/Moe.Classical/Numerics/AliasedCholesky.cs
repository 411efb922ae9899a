namespace Moe.Classical;

/// <summary>Cholesky factors of symmetric, positive semi-definite matrices in arrays, which leave out every column that is a combination of those before it.</summary>
/// <remarks>Only the upper triangle is read. A column left out has 0 in every solution, as in R's <c>lm</c>.</remarks>
internal static class AliasedCholesky
{
    /// <summary>A tolerance below which a pivot is only what rounding left of it.</summary>
    public const double Rounding = 1e-13;

    /// <summary>R with RᵀR = A in place of the upper triangle of A.</summary>
    /// <param name="matrix">[size, size].</param>
    /// <param name="aliased">Becomes true for columns left out: their pivot is not above <paramref name="tolerance"/> times their diagonal entry.</param>
    /// <param name="tolerance">1 - R² of a column on those before it, at which it counts as their combination.</param>
    /// <returns>The number of columns kept.</returns>
    public static int Factor(Span<double> matrix, Span<bool> aliased, double tolerance = 1e-11)
    {
        var (size, rank) = (aliased.Length, 0);
        for (var row = 0; row < size; row++)
        {
            var target = matrix.Slice(row * size, size);
            var diagonal = target[row];
            for (var above = 0; above < row; above++)
            {
                var scale = matrix[(above * size) + row];
                if (scale != 0)
                    Products.AddScaled(target[row..], matrix.Slice((above * size) + row, size - row), -scale);
            }
            aliased[row] = !(target[row] > tolerance * Math.Abs(diagonal)) || !double.IsFinite(target[row]);
            if (aliased[row])
            {
                target.Clear();
                target[row] = 1;
                for (var above = 0; above < row; above++)
                    matrix[(above * size) + row] = 0;
                continue;
            }
            rank++;
            var root = 1 / Math.Sqrt(target[row]);
            for (var column = row; column < size; column++)
                target[column] *= root;
        }
        return rank;
    }

    /// <summary>Solves RᵀR x = b in place; 0 for columns left out.</summary>
    public static void Substitute(ReadOnlySpan<double> factor, ReadOnlySpan<bool> aliased, Span<double> vector)
    {
        var size = vector.Length;
        for (var row = 0; row < size; row++)
        {
            if (aliased[row])
                vector[row] = 0;
            var value = vector[row] /= factor[(row * size) + row];
            if (value != 0)
                Products.AddScaled(vector[(row + 1)..], factor.Slice((row * size) + row + 1, size - row - 1), -value);
        }
        for (var row = size - 1; row >= 0; row--)
        {
            var place = (row * size) + row;
            vector[row] = (vector[row] - Products.Dot(factor.Slice(place + 1, size - row - 1), vector[(row + 1)..])) / factor[place];
        }
    }

    /// <summary>The inverse of RᵀR, full; 0 in the rows and columns left out.</summary>
    public static double[] Inverse(ReadOnlySpan<double> factor, ReadOnlySpan<bool> aliased)
    {
        var size = aliased.Length;
        var inverse = new double[size * size];
        for (var row = 0; row < size; row++)
        {
            if (aliased[row])
                continue;
            inverse[(row * size) + row] = 1;
            Substitute(factor, aliased, inverse.AsSpan(row * size, size));
        }
        return inverse;
    }
}
