namespace Moe.Classical;

/// <summary>The terms of linear functions: an intercept, and standardised columns without those that tell nothing. They keep normal equations well conditioned whatever the units.</summary>
/// <remarks>
/// A column that is constant in the rows that count is left out, and so is, where that is asked for, one that those before it explain (<see cref="AliasedCholesky"/>): its
/// coefficient is 0. Where there shall be no intercept its term is 0 in every row, and columns are divided by their root mean square and not centred.
/// </remarks>
internal sealed class StandardTerms
{
    private readonly double[] _means;
    private readonly double[] _scales;
    private readonly int[] _kept;
    private readonly bool _intercept;

    /// <summary>Standardises rows by weighted moments.</summary>
    /// <param name="rows">[n, D], row by row.</param>
    /// <param name="width">D.</param>
    /// <param name="columns">Which of them; null for all.</param>
    /// <param name="weights">[n]; empty for 1 each.</param>
    /// <param name="combinations">Whether columns stay that are combinations of those before them: where a ridge makes up for it, or whoever solves leaves them out.</param>
    /// <param name="intercept">Whether there is one.</param>
    public StandardTerms(ReadOnlySpan<double> rows, int width, IReadOnlyList<int>? columns, ReadOnlySpan<double> weights, bool combinations, bool intercept = true)
    {
        _intercept = intercept;
        var seen = columns is null ? [.. Enumerable.Range(0, width)] : columns.ToArray();
        Rows = weights.IsEmpty ? rows.Length / width : weights.Length;
        RawWidth = seen.Length + 1;
        Total = weights.IsEmpty ? Rows : Sum(weights);
        (_means, _scales) = (new double[seen.Length], new double[seen.Length]);
        Moments(rows, width, seen, weights);
        _kept = [.. Enumerable.Range(0, seen.Length).Where(Varies)];
        Values = Standardised(rows, width, seen);
        if (combinations || _kept.Length < 1)
            return;
        var aliased = new bool[Width];
        AliasedCholesky.Factor(Gram(weights), aliased);
        if (!aliased.AsSpan(1).Contains(true))
            return;
        _kept = [.. _kept.Where((_, place) => !aliased[place + 1])];
        Values = Standardised(rows, width, seen);
    }

    /// <summary>n.</summary>
    public int Rows { get; }

    /// <summary>P, the number of terms that are kept, the intercept first.</summary>
    public int Width => _kept.Length + 1;

    /// <summary>The number of terms before any was left out.</summary>
    public int RawWidth { get; }

    /// <summary>Σ w.</summary>
    public double Total { get; }

    /// <summary>[n, P], row by row.</summary>
    public double[] Values { get; }

    /// <summary>Where each kept term stands among all.</summary>
    public IEnumerable<int> RawPlaces => _kept.Select(place => place + 1).Prepend(0);

    /// <summary>The terms of a row.</summary>
    public ReadOnlySpan<double> Row(int row) => Values.AsSpan(row * Width, Width);

    /// <summary>The columns without a coefficient: those left out, and those that a solver left out.</summary>
    /// <param name="aliased">[P], true for terms that a solver left out; empty for none.</param>
    public int[] Dropped(ReadOnlySpan<bool> aliased)
    {
        var dropped = Enumerable.Range(0, RawWidth - 1).Except(_kept).ToList();
        for (var term = 1; term < aliased.Length; term++)
        {
            if (aliased[term])
                dropped.Add(_kept[term - 1]);
        }
        return [.. dropped.Order()];
    }

    /// <summary>The upper triangle of Σ w t tᵀ, [P, P].</summary>
    /// <param name="weights">[n]; empty for 1 each.</param>
    public double[] Gram(ReadOnlySpan<double> weights)
    {
        var gram = new double[Width * Width];
        for (var row = 0; row < Rows; row++)
            Products.Add(gram, Row(row), weights.IsEmpty ? 1 : weights[row]);
        return gram;
    }

    /// <summary>Coefficients [raw width] of the columns as they are, with 0 for those left out, of coefficients [P].</summary>
    public double[] ToRaw(ReadOnlySpan<double> standardised)
    {
        var raw = new double[RawWidth];
        raw[0] = standardised[0];
        for (var term = 1; term < Width; term++)
        {
            var place = _kept[term - 1];
            raw[place + 1] = standardised[term] / _scales[place];
            raw[0] -= raw[place + 1] * _means[place];
        }
        return raw;
    }

    /// <summary>Standardised coefficients [P] of those of the columns as they are; a column left out counts as its mean.</summary>
    public void FromRaw(ReadOnlySpan<double> raw, Span<double> standardised)
    {
        standardised[0] = _intercept ? raw[0] + Products.Dot(raw[1..], _means) : 0;
        for (var term = 1; term < Width; term++)
            standardised[term] = raw[_kept[term - 1] + 1] * _scales[_kept[term - 1]];
    }

    /// <summary>The matrix [P, P] that turns standardised coefficients into those of the kept columns as they are.</summary>
    public double[] Turn()
    {
        var turn = new double[Width * Width];
        turn[0] = 1;
        for (var term = 1; term < Width; term++)
        {
            var place = _kept[term - 1];
            turn[(term * Width) + term] = 1 / _scales[place];
            turn[term] = -_means[place] / _scales[place];
        }
        return turn;
    }

    /// <summary>T C Tᵀ: a covariance [P, P] of standardised coefficients as that of the coefficients of all columns as they are, [raw width, raw width].</summary>
    public double[] TurnCovariance(ReadOnlySpan<double> covariance)
    {
        var (half, turned) = (new double[RawWidth * Width], new double[RawWidth * RawWidth]);
        for (var row = 0; row < Width; row++)
        {
            var raw = ToRaw(covariance.Slice(row * Width, Width));
            for (var place = 0; place < RawWidth; place++)
                half[(place * Width) + row] = raw[place];
        }
        for (var place = 0; place < RawWidth; place++)
            ToRaw(half.AsSpan(place * Width, Width)).CopyTo(turned, place * RawWidth);
        return turned;
    }

    private static double Sum(ReadOnlySpan<double> values)
    {
        var sum = 0.0;
        foreach (var value in values)
            sum += value;
        return sum;
    }

    private void Moments(ReadOnlySpan<double> rows, int width, int[] seen, ReadOnlySpan<double> weights)
    {
        for (var row = 0; row < Rows && _intercept; row++)
        {
            var weight = (weights.IsEmpty ? 1 : weights[row]) / Total;
            for (var place = 0; place < seen.Length; place++)
                _means[place] += weight * rows[(row * width) + seen[place]];
        }
        for (var row = 0; row < Rows; row++)
        {
            var weight = (weights.IsEmpty ? 1 : weights[row]) / Total;
            for (var place = 0; place < seen.Length; place++)
            {
                var away = rows[(row * width) + seen[place]] - _means[place];
                _scales[place] += weight * away * away;
            }
        }
        foreach (ref var scale in _scales.AsSpan())
            scale = Math.Sqrt(scale);
    }

    private bool Varies(int place) => _scales[place] > 1e-12 * Math.Abs(_means[place]) && double.IsFinite(_scales[place]) && double.IsFinite(1 / _scales[place]);

    private double[] Standardised(ReadOnlySpan<double> rows, int width, int[] seen)
    {
        var values = new double[Rows * Width];
        for (var row = 0; row < Rows; row++)
        {
            var target = values.AsSpan(row * Width, Width);
            target[0] = _intercept ? 1 : 0;
            for (var term = 1; term < target.Length; term++)
            {
                var place = _kept[term - 1];
                target[term] = (rows[(row * width) + seen[place]] - _means[place]) / _scales[place];
            }
        }
        return values;
    }
}
