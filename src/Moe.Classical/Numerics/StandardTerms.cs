namespace Moe.Classical;

/// <summary>The terms of linear functions, an intercept first, with standardised columns: what makes normal equations well conditioned whatever the units.</summary>
/// <remarks>
/// A column that is constant in the rows that count has the value 0 everywhere, and so coefficient 0; so has the intercept where there shall be none. Without an intercept columns
/// are divided by their root mean square and not centred.
/// </remarks>
internal sealed class StandardTerms
{
    private readonly double[] _means;
    private readonly double[] _scales;

    /// <summary>Standardises rows by weighted moments.</summary>
    /// <param name="rows">[n, D], row by row.</param>
    /// <param name="width">D.</param>
    /// <param name="weights">[n]; empty for 1 each.</param>
    /// <param name="intercept">Whether there is one.</param>
    public StandardTerms(ReadOnlySpan<double> rows, int width, ReadOnlySpan<double> weights, bool intercept)
    {
        Rows = rows.Length / width;
        Width = width + 1;
        _means = new double[width];
        _scales = new double[width];
        Values = new double[Rows * Width];
        if (weights.IsEmpty)
            Total = Rows;
        else
        {
            foreach (var weight in weights)
                Total += weight;
        }
        if (intercept)
        {
            for (var row = 0; row < Rows; row++)
                Products.AddScaled(_means, rows.Slice(row * width, width), (weights.IsEmpty ? 1 : weights[row]) / Total);
        }
        for (var row = 0; row < Rows; row++)
        {
            var weight = (weights.IsEmpty ? 1 : weights[row]) / Total;
            var values = rows.Slice(row * width, width);
            for (var column = 0; column < width; column++)
            {
                var value = values[column] - _means[column];
                _scales[column] += weight * value * value;
            }
        }
        for (var column = 0; column < width; column++)
        {
            var scale = Math.Sqrt(_scales[column]);
            _scales[column] = scale > 1e-12 * Math.Abs(_means[column]) && double.IsFinite(1 / scale) && double.IsFinite(scale) ? scale : double.PositiveInfinity;
        }
        for (var row = 0; row < Rows; row++)
        {
            var source = rows.Slice(row * width, width);
            var target = Values.AsSpan(row * Width, Width);
            target[0] = intercept ? 1 : 0;
            for (var column = 0; column < width; column++)
                target[column + 1] = double.IsInfinity(_scales[column]) ? 0 : (source[column] - _means[column]) / _scales[column];
        }
    }

    /// <summary>n.</summary>
    public int Rows { get; }

    /// <summary>P = D + 1.</summary>
    public int Width { get; }

    /// <summary>Σ w.</summary>
    public double Total { get; }

    /// <summary>[n, P], row by row.</summary>
    public double[] Values { get; }

    /// <summary>The terms of a row.</summary>
    public ReadOnlySpan<double> Row(int row) => Values.AsSpan(row * Width, Width);

    /// <summary>The upper triangle of Σ w t tᵀ, [P, P].</summary>
    /// <param name="weights">[n]; empty for 1 each.</param>
    public double[] Gram(ReadOnlySpan<double> weights)
    {
        var gram = new double[Width * Width];
        for (var row = 0; row < Rows; row++)
            Products.Add(gram, Row(row), weights.IsEmpty ? 1 : weights[row]);
        return gram;
    }

    /// <summary>Which terms are 0 in every row: constant columns, and the intercept where there is none.</summary>
    public bool[] Constant() => [Values[0] == 0, .. _scales.Select(double.IsInfinity)];

    /// <summary>Sets the columns to 0 that are combinations of those before them, so that their coefficients stay 0, and gives which terms are left out for any reason.</summary>
    /// <param name="weights">[n]; empty for 1 each.</param>
    public bool[] DropAliased(ReadOnlySpan<double> weights)
    {
        var aliased = new bool[Width];
        AliasedCholesky.Factor(Gram(weights), aliased);
        for (var term = 0; term < Width; term++)
        {
            for (var place = term; aliased[term] && place < Values.Length; place += Width)
                Values[place] = 0;
        }
        return aliased;
    }

    /// <summary>Coefficients [P] of the columns as they are.</summary>
    public void ToRaw(ReadOnlySpan<double> standardised, Span<double> raw)
    {
        raw[0] = standardised[0];
        for (var term = 1; term < Width; term++)
        {
            raw[term] = standardised[term] / _scales[term - 1];
            raw[0] -= raw[term] * _means[term - 1];
        }
    }

    /// <summary>Standardised coefficients [P] of those of the columns as they are.</summary>
    public void FromRaw(ReadOnlySpan<double> raw, Span<double> standardised)
    {
        standardised[0] = raw[0];
        for (var term = 1; term < Width; term++)
        {
            var constant = double.IsInfinity(_scales[term - 1]);
            standardised[term] = constant ? 0 : raw[term] * _scales[term - 1];
            standardised[0] += raw[term] * _means[term - 1];
        }
    }

    /// <summary>T C Tᵀ: a covariance [P, P] of standardised coefficients as that of the coefficients of the columns as they are, in its place.</summary>
    public void TurnCovariance(Span<double> covariance)
    {
        Span<double> column = new double[Width];
        Span<double> turned = new double[Width];
        for (var row = 0; row < Width; row++)
        {
            ToRaw(covariance.Slice(row * Width, Width), turned);
            turned.CopyTo(covariance.Slice(row * Width, Width));
        }
        for (var place = 0; place < Width; place++)
        {
            for (var row = 0; row < Width; row++)
                column[row] = covariance[(row * Width) + place];
            ToRaw(column, turned);
            for (var row = 0; row < Width; row++)
                covariance[(row * Width) + place] = turned[row];
        }
    }
}
