using Moe.Core;
using static TorchSharp.torch;

namespace Moe.Classical;

/// <summary>The terms of linear functions: an intercept and the columns, standardised, without those that are constant or a combination of others.</summary>
/// <remarks>Standardised terms keep Newton's equations well conditioned, whatever the units; results are turned back. A column that is left out has coefficient 0.</remarks>
internal sealed class TermMatrix
{
    private const double Aliased = 1e-10;
    private readonly int[] _kept;
    private readonly double[] _means;
    private readonly double[] _deviations;

    public TermMatrix(Tensor inputs, IReadOnlyList<int>? columns, ReadOnlySpan<double> weights)
    {
        Rows = (int)inputs.size(0);
        var width = (int)inputs.size(1);
        var seen = columns is null ? [.. Enumerable.Range(0, width)] : columns.ToArray();
        RawWidth = seen.Length + 1;
        _means = new double[seen.Length];
        _deviations = new double[seen.Length];
        var all = HostMemory.Of<double>(inputs);
        Moments(all, width, seen, weights);
        var candidates = Enumerable.Range(0, seen.Length).Where(place => _deviations[place] > 1e-12 * Math.Abs(_means[place]) && _deviations[place] > 0).ToArray();
        var full = Standardised(all, width, seen, candidates);
        _kept = Independent(full, candidates, weights);
        Values = _kept.Length == candidates.Length ? full : Standardised(all, width, seen, _kept);
    }

    /// <summary>n.</summary>
    public int Rows { get; }

    /// <summary>P, the number of terms that are kept, the intercept first.</summary>
    public int Width => _kept.Length + 1;

    /// <summary>The number of terms before any was left out.</summary>
    public int RawWidth { get; }

    /// <summary>[n, P], row by row.</summary>
    public double[] Values { get; }

    /// <summary>Where each kept term stands among all.</summary>
    public IEnumerable<int> RawPlaces => _kept.Select(place => place + 1).Prepend(0);

    /// <summary>Coefficients of the columns as they are, with 0 for those left out.</summary>
    public double[] ToRaw(ReadOnlySpan<double> standardised)
    {
        var raw = new double[RawWidth];
        raw[0] = standardised[0];
        for (var term = 1; term < Width; term++)
        {
            var place = _kept[term - 1];
            raw[place + 1] = standardised[term] / _deviations[place];
            raw[0] -= raw[place + 1] * _means[place];
        }
        return raw;
    }

    /// <summary>The standardised coefficients [K - 1, P], relative to the first expert, of coefficients [K, raw width]; those of terms left out are lost.</summary>
    public void FromRaw(ReadOnlySpan<double> raw, Span<double> standardised)
    {
        for (var start = 0; start < standardised.Length; start += Width)
        {
            var own = raw.Slice(((start / Width) + 1) * RawWidth, RawWidth);
            standardised[start] = own[0] - raw[0];
            for (var term = 1; term < Width; term++)
            {
                var place = _kept[term - 1];
                var slope = own[place + 1] - raw[place + 1];
                standardised[start + term] = slope * _deviations[place];
                standardised[start] += slope * _means[place];
            }
        }
    }

    /// <summary>The matrix [P, P] that turns standardised coefficients into those of the kept columns as they are.</summary>
    public double[] Turn()
    {
        var turn = new double[Width * Width];
        turn[0] = 1;
        for (var term = 1; term < Width; term++)
        {
            var place = _kept[term - 1];
            turn[(term * Width) + term] = 1 / _deviations[place];
            turn[term] = -_means[place] / _deviations[place];
        }
        return turn;
    }

    private void Moments(ReadOnlySpan<double> all, int width, int[] seen, ReadOnlySpan<double> weights)
    {
        var total = 0.0;
        for (var row = 0; row < Rows; row++)
        {
            total += weights[row];
            for (var place = 0; place < seen.Length; place++)
                _means[place] += weights[row] * all[(row * width) + seen[place]];
        }
        for (var place = 0; place < seen.Length; place++)
            _means[place] /= total;
        for (var row = 0; row < Rows; row++)
        {
            for (var place = 0; place < seen.Length; place++)
            {
                var away = all[(row * width) + seen[place]] - _means[place];
                _deviations[place] += weights[row] * away * away;
            }
        }
        for (var place = 0; place < seen.Length; place++)
            _deviations[place] = Math.Sqrt(_deviations[place] / total);
    }

    private double[] Standardised(ReadOnlySpan<double> all, int width, int[] seen, int[] kept)
    {
        var terms = kept.Length + 1;
        var values = new double[Rows * terms];
        for (var row = 0; row < Rows; row++)
        {
            values[row * terms] = 1;
            for (var term = 1; term < terms; term++)
            {
                var place = kept[term - 1];
                values[(row * terms) + term] = (all[(row * width) + seen[place]] - _means[place]) / _deviations[place];
            }
        }
        return values;
    }

    /// <summary>Keeps a column if the columns kept before it explain less than all but 1e-10 of its variance.</summary>
    private int[] Independent(double[] full, int[] candidates, ReadOnlySpan<double> weights)
    {
        var terms = candidates.Length + 1;
        var products = new double[terms * terms];
        for (var row = 0; row < Rows; row++)
            Products.Add(products, full.AsSpan(row * terms, terms), weights[row]);
        var kept = new List<int>();
        var factors = new List<double[]>();
        for (var term = 1; term < terms; term++)
        {
            var diagonal = products[(term * terms) + term];
            var left = diagonal;
            var rest = new double[terms];
            for (var column = term; column < terms; column++)
                rest[column] = products[(term * terms) + column];
            foreach (var factor in factors)
            {
                var scale = factor[term];
                for (var column = term; column < terms; column++)
                    rest[column] -= scale * factor[column];
                left -= scale * scale;
            }
            if (!(left > Aliased * diagonal))
                continue;
            var root = 1 / Math.Sqrt(left);
            for (var column = term; column < terms; column++)
                rest[column] *= root;
            factors.Add(rest);
            kept.Add(candidates[term - 1]);
        }
        return [.. kept];
    }
}
