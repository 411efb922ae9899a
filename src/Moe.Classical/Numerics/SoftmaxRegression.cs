using System.Runtime.CompilerServices;

namespace Moe.Classical;

/// <summary>Multinomial regression on shares: maximises Σ w Σₖ rₖ log gₖ - λ/2 Σₖ |slopesₖ|², g = softmax(W t), by Newton's method, or by L-BFGS where the Hessian would be large.</summary>
/// <remarks>
/// λ acts on standardised slopes and treats all classes alike. Without it the coefficients of class 0 are 0; with it each column's slopes sum to 0 over the classes, as they do at
/// the optimum, and so do the intercepts, which have no penalty. Newton's method fixes class 0 at 0 and takes the penalty of slopes about their mean, which is the same optimum
/// without the direction in which nothing changes. The Hessian's blocks are those of Böhning (1992). A step is halved until the objective does not fall, so that a call never ends
/// worse than it began. Collinear columns have coefficient 0 where there is no ridge. Classes that the shares separate have no finite optimum without a ridge: the steps end when
/// they gain nothing, or when a standardised slope passes 10,000, and <see cref="RanOff"/> says so.
/// </remarks>
internal sealed class SoftmaxRegression
{
    private const int LargestNewton = 200;
    private const double LongestStep = 20;
    private const double Cap = 1e4;
    private readonly StandardTerms _terms;
    private readonly double _penalty;
    private readonly int _classes;
    private readonly double[] _probabilities;
    private readonly double[] _coefficients;

    /// <summary>A regression at 0.</summary>
    /// <param name="terms">t.</param>
    /// <param name="classes">K, at least 1.</param>
    /// <param name="weights">w, [n]; empty for 1 each. Used to find collinear columns.</param>
    /// <param name="penalty">λ, absolute.</param>
    public SoftmaxRegression(StandardTerms terms, int classes, ReadOnlySpan<double> weights, double penalty)
    {
        (_terms, _classes, _penalty) = (terms, classes, penalty);
        _coefficients = new double[classes * terms.Width];
        _probabilities = new double[terms.Rows * classes];
        Aliased = penalty == 0 ? terms.DropAliased(weights) : terms.Constant();
    }

    /// <summary>Terms left out, [P].</summary>
    public bool[] Aliased { get; }

    /// <summary>W, [K, P], standardised; to start from, and the result.</summary>
    public double[] Coefficients => _coefficients;

    /// <summary>What is maximised, at the coefficients as they are.</summary>
    public double Objective { get; private set; }

    /// <summary>Steps of the last fit.</summary>
    public int Steps { get; private set; }

    /// <summary>True if the last fit ended because nothing more was to be gained.</summary>
    public bool Converged { get; private set; }

    /// <summary>True if some row that counts has a class whose probability is below 1e-11 and no ridge: coefficients on their way to infinity.</summary>
    public bool RanOff { get; private set; }

    /// <summary>Takes steps from the coefficients as they are.</summary>
    /// <param name="shares">r, [n, K], each row's sum 1.</param>
    /// <param name="weights">w, [n]; empty for 1 each.</param>
    /// <param name="maxSteps">At most so many.</param>
    /// <param name="cancellation">Ends a long fit.</param>
    public void Fit(ReadOnlySpan<double> shares, ReadOnlySpan<double> weights, int maxSteps, CancellationToken cancellation)
    {
        (Steps, Converged, RanOff) = (0, _classes == 1, false);
        if (_classes == 1)
            return;
        if ((_classes - 1) * _terms.Width <= LargestNewton)
            Newton(shares, weights, maxSteps, cancellation);
        else
            LimitedMemory(shares, weights, maxSteps, cancellation);
        Centre();
        for (var row = 0; _penalty == 0 && row < _terms.Rows && !RanOff; row++)
        {
            for (var place = row * _classes; place < (row + 1) * _classes; place++)
                RanOff |= _probabilities[place] < 1e-11 && (weights.IsEmpty || weights[row] > 0);
        }
    }

    private void Newton(ReadOnlySpan<double> shares, ReadOnlySpan<double> weights, int maxSteps, CancellationToken cancellation)
    {
        var (width, size) = (_terms.Width, (_classes - 1) * _terms.Width);
        RelativeToFirst();
        var free = _coefficients.AsSpan(width);
        var (gradient, hessian, blocks) = (new double[size], new double[size * size], new double[_classes * (_classes - 1) / 2 * width * width]);
        var (step, kept, aliased) = (new double[size], new double[size], new bool[size]);
        Objective = Evaluate(shares, weights);
        for (Steps = 0; Steps < maxSteps; Steps++)
        {
            cancellation.ThrowIfCancellationRequested();
            Derivatives(shares, weights, gradient, hessian, blocks);
            gradient.CopyTo(step, 0);
            AliasedCholesky.Factor(hessian, aliased);
            AliasedCholesky.Substitute(hessian, aliased, step);
            var (gain, longest) = (Products.Dot(step, gradient), 0.0);
            foreach (var move in step)
                longest = Math.Max(longest, Math.Abs(move));
            if (!(gain > 1e-15 * _terms.Total) || !double.IsFinite(longest))
            {
                Converged = true;
                return;
            }
            free.CopyTo(kept);
            var (length, better) = (Math.Min(1, LongestStep / longest), double.NaN);
            for (var halving = 0; halving < 40 && !(better >= Objective); halving++, length *= 0.5)
            {
                kept.CopyTo(free);
                Products.AddScaled(free, step, length);
                better = Evaluate(shares, weights);
            }
            if (!(better >= Objective))
            {
                kept.CopyTo(free);
                Evaluate(shares, weights);
                Converged = true;
                return;
            }
            Objective = better;
            if (PastCap())
            {
                Steps++;
                return;
            }
        }
    }

    private void LimitedMemory(ReadOnlySpan<double> shares, ReadOnlySpan<double> weights, int maxSteps, CancellationToken cancellation)
    {
        const int Memory = 10;
        var size = _coefficients.Length;
        var (gradient, next, step, kept) = (new double[size], new double[size], new double[size], new double[size]);
        var pairs = new List<(double[] Move, double[] Change, double Product)>();
        var scales = new double[Memory];
        Centre();
        Objective = Evaluate(shares, weights);
        Gradient(shares, weights, gradient);
        // A step of L-BFGS is much less than one of Newton's, and as much cheaper.
        for (Steps = 0; Steps < 10L * maxSteps; Steps++)
        {
            cancellation.ThrowIfCancellationRequested();
            gradient.CopyTo(step, 0);
            for (var pair = pairs.Count - 1; pair >= 0; pair--)
            {
                scales[pair] = Products.Dot(pairs[pair].Move, step) / pairs[pair].Product;
                Products.AddScaled(step, pairs[pair].Change, -scales[pair]);
            }
            var scale = pairs.Count > 0 ? pairs[^1].Product / Products.Dot(pairs[^1].Change, pairs[^1].Change) : 2 / (_terms.Total + _penalty);
            foreach (ref var value in step.AsSpan())
                value *= scale;
            for (var pair = 0; pair < pairs.Count; pair++)
                Products.AddScaled(step, pairs[pair].Move, scales[pair] - (Products.Dot(pairs[pair].Change, step) / pairs[pair].Product));
            var gain = Products.Dot(step, gradient);
            if (!(gain > 1e-12 * _terms.Total))
            {
                Converged = true;
                return;
            }
            _coefficients.CopyTo(kept, 0);
            var (length, better) = (1.0, double.NaN);
            for (var halving = 0; halving < 40 && !(better >= Objective + (1e-4 * length * gain)); halving++)
            {
                length = halving == 0 ? 1 : length * 0.5;
                kept.CopyTo(_coefficients, 0);
                Products.AddScaled(_coefficients, step, length);
                better = Evaluate(shares, weights);
            }
            if (!(better >= Objective))
            {
                kept.CopyTo(_coefficients, 0);
                Evaluate(shares, weights);
                Converged = true;
                return;
            }
            Objective = better;
            Gradient(shares, weights, next);
            var (move, change) = (new double[size], new double[size]);
            for (var place = 0; place < size; place++)
                (move[place], change[place]) = (_coefficients[place] - kept[place], gradient[place] - next[place]);
            var product = Products.Dot(move, change);
            if (product > 0)
            {
                if (pairs.Count == Memory)
                    pairs.RemoveAt(0);
                pairs.Add((move, change, product));
            }
            next.CopyTo(gradient, 0);
            if (PastCap())
                return;
        }
    }

    /// <summary>Probabilities and objective at the coefficients as they are.</summary>
    private double Evaluate(ReadOnlySpan<double> shares, ReadOnlySpan<double> weights)
    {
        var (width, sum) = (_terms.Width, 0.0);
        for (var row = 0; row < _terms.Rows; row++)
        {
            var terms = _terms.Row(row);
            var g = _probabilities.AsSpan(row * _classes, _classes);
            var r = shares.Slice(row * _classes, _classes);
            var (greatest, inner, share) = (double.NegativeInfinity, 0.0, 0.0);
            for (var k = 0; k < g.Length; k++)
            {
                g[k] = Products.Dot(terms, _coefficients.AsSpan(k * width, width));
                greatest = Math.Max(greatest, g[k]);
                inner += r[k] * g[k];
                share += r[k];
            }
            var total = 0.0;
            for (var k = 0; k < g.Length; k++)
                total += g[k] = Math.Exp(g[k] - greatest);
            for (var k = 0; k < g.Length; k++)
                g[k] /= total;
            sum += (weights.IsEmpty ? 1 : weights[row]) * (inner - (share * (greatest + Math.Log(total))));
        }
        return sum - (0.5 * _penalty * Squares());
    }

    /// <summary>Σ of the squares of slopes about their mean over the classes.</summary>
    private double Squares()
    {
        var sum = 0.0;
        for (var term = 1; _penalty > 0 && term < _terms.Width; term++)
        {
            var mean = Mean(term);
            for (var place = term; place < _coefficients.Length; place += _terms.Width)
                sum += (_coefficients[place] - mean) * (_coefficients[place] - mean);
        }
        return sum;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private double Mean(int term)
    {
        var sum = 0.0;
        for (var place = term; place < _coefficients.Length; place += _terms.Width)
            sum += _coefficients[place];
        return sum / _classes;
    }

    private void Gradient(ReadOnlySpan<double> shares, ReadOnlySpan<double> weights, Span<double> gradient)
    {
        var width = _terms.Width;
        gradient.Clear();
        for (var row = 0; row < _terms.Rows; row++)
        {
            var weight = weights.IsEmpty ? 1 : weights[row];
            for (var k = 0; k < _classes && weight > 0; k++)
                Products.AddScaled(gradient.Slice(k * width, width), _terms.Row(row), weight * (shares[(row * _classes) + k] - _probabilities[(row * _classes) + k]));
        }
        for (var term = 1; _penalty > 0 && term < width; term++)
        {
            var mean = Mean(term);
            for (var place = term; place < gradient.Length; place += width)
                gradient[place] -= _penalty * (_coefficients[place] - mean);
        }
    }

    private void Derivatives(ReadOnlySpan<double> shares, ReadOnlySpan<double> weights, Span<double> gradient, Span<double> hessian, Span<double> blocks)
    {
        var width = _terms.Width;
        gradient.Clear();
        blocks.Clear();
        for (var row = 0; row < _terms.Rows; row++)
        {
            var weight = weights.IsEmpty ? 1 : weights[row];
            if (weight == 0)
                continue;
            var terms = _terms.Row(row);
            var g = _probabilities.AsSpan(row * _classes, _classes);
            var block = 0;
            for (var k = 1; k < _classes; k++)
            {
                Products.AddScaled(gradient.Slice((k - 1) * width, width), terms, weight * (shares[(row * _classes) + k] - g[k]));
                for (var other = k; other < _classes; other++, block += width * width)
                    Products.Add(blocks.Slice(block, width * width), terms, weight * g[k] * ((other == k ? 1 : 0) - g[other]));
            }
        }
        Spread(gradient, hessian, blocks);
    }

    /// <summary>Puts the blocks, each the upper triangle of a symmetric matrix, into the upper triangle of the whole, and adds the penalty.</summary>
    private void Spread(Span<double> gradient, Span<double> hessian, ReadOnlySpan<double> blocks)
    {
        var (width, size, block) = (_terms.Width, gradient.Length, 0);
        for (var k = 0; k < _classes - 1; k++)
        {
            for (var other = k; other < _classes - 1; other++, block += width * width)
            {
                for (var first = 0; first < width; first++)
                {
                    var target = hessian.Slice((((k * width) + first) * size) + (other * width), width);
                    for (var second = 0; second < width; second++)
                        target[second] = blocks[block + (Math.Min(first, second) * width) + Math.Max(first, second)];
                    // Only where a column has any value: the rest stay out of the equations.
                    if (_penalty > 0 && first > 0)
                        target[first] += _penalty * ((k == other ? 1 : 0) - (1.0 / _classes));
                }
            }
        }
        for (var term = 1; _penalty > 0 && term < width; term++)
        {
            var mean = Mean(term);
            for (var k = 0; k < _classes - 1; k++)
                gradient[(k * width) + term] -= _penalty * (_coefficients[((k + 1) * width) + term] - mean);
        }
    }

    private void RelativeToFirst()
    {
        for (var place = _coefficients.Length - 1; place >= 0; place--)
            _coefficients[place] -= _coefficients[place % _terms.Width];
    }

    private void Centre()
    {
        if (_penalty == 0)
        {
            RelativeToFirst();
            return;
        }
        for (var term = 0; term < _terms.Width; term++)
        {
            var mean = Mean(term);
            for (var place = term; place < _coefficients.Length; place += _terms.Width)
                _coefficients[place] -= mean;
        }
    }

    private bool PastCap()
    {
        foreach (var coefficient in _coefficients)
        {
            if (!(Math.Abs(coefficient) < Cap))
                return true;
        }
        return false;
    }
}
