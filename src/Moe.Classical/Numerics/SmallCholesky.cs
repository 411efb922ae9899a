namespace Moe.Classical;

/// <summary>Cholesky factors of small symmetric matrices in arrays, row by row; only the upper triangle is read.</summary>
internal static class SmallCholesky
{
    /// <summary>Solves A x = b for a positive definite A, or for A + εI with the least ε that makes it so; b becomes x, and 0 where nothing helps.</summary>
    /// <returns>False if A was not positive definite as it was.</returns>
    public static bool Solve(ReadOnlySpan<double> matrix, Span<double> factor, Span<double> vector)
    {
        var size = vector.Length;
        var greatest = 0.0;
        for (var place = 0; place < size; place++)
            greatest = Math.Max(greatest, Math.Abs(matrix[(place * size) + place]));
        if (!(greatest > 0) || !double.IsFinite(greatest))
        {
            vector.Clear();
            return false;
        }
        var extra = 0.0;
        while (!Factor(matrix, factor, size, extra * greatest))
        {
            extra = extra == 0 ? 1e-12 : extra * 10;
            if (extra > 1e6)
            {
                vector.Clear();
                return false;
            }
        }
        Substitute(factor, vector);
        return extra == 0;
    }

    /// <summary>R with RᵀR = A + extra I, in the upper triangle; false if a pivot is not above 1e-13 of its diagonal entry.</summary>
    public static bool Factor(ReadOnlySpan<double> matrix, Span<double> factor, int size, double extra = 0)
    {
        for (var row = 0; row < size; row++)
        {
            var source = matrix.Slice(row * size, size);
            var target = factor.Slice(row * size, size);
            source[row..].CopyTo(target[row..]);
            target[row] += extra;
            var diagonal = target[row];
            for (var above = 0; above < row; above++)
            {
                var upper = factor.Slice(above * size, size);
                var scale = upper[row];
                if (scale == 0)
                    continue;
                for (var column = row; column < size; column++)
                    target[column] -= scale * upper[column];
            }
            if (!(target[row] > 1e-13 * Math.Abs(diagonal)) || !double.IsFinite(target[row]))
                return false;
            var root = 1 / Math.Sqrt(target[row]);
            for (var column = row; column < size; column++)
                target[column] *= root;
        }
        return true;
    }

    /// <summary>Solves RᵀR x = b in place.</summary>
    public static void Substitute(ReadOnlySpan<double> factor, Span<double> vector)
    {
        var size = vector.Length;
        for (var row = 0; row < size; row++)
        {
            var value = vector[row] /= factor[(row * size) + row];
            for (var column = row + 1; column < size; column++)
                vector[column] -= factor[(row * size) + column] * value;
        }
        for (var row = size - 1; row >= 0; row--)
        {
            var sum = vector[row];
            for (var column = row + 1; column < size; column++)
                sum -= factor[(row * size) + column] * vector[column];
            vector[row] = sum / factor[(row * size) + row];
        }
    }

    /// <summary>The inverse of RᵀR, full.</summary>
    public static double[] Inverse(ReadOnlySpan<double> factor, int size)
    {
        var inverse = new double[size * size];
        for (var row = 0; row < size; row++)
        {
            inverse[(row * size) + row] = 1;
            Substitute(factor, inverse.AsSpan(row * size, size));
        }
        return inverse;
    }
}
