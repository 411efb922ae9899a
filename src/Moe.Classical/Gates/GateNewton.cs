namespace Moe.Classical;

/// <summary>Newton's method for a softmax gate on shares (multinomial logistic regression with soft targets), in arrays that are used again from fit to fit.</summary>
/// <remarks>
/// Maximises Σᵢ wᵢ Σₖ rᵢₖ log gᵢₖ - λ/2 Σₖ |slopesₖ - mean slopes|², the slopes being those of standardised columns. The penalty does not depend on which expert comes
/// first. The first expert's coefficients are 0. The Hessian's blocks (Böhning 1992) are all sums of z zᵀ with other weights. A step is halved until the objective does not
/// fall, so that one call never makes it worse.
/// </remarks>
internal sealed class GateNewton
{
    /// <summary>Information on a standardised coefficient, per row, below which the gate separates the experts.</summary>
    public const double Separated = 1e-9;

    /// <summary>A gain, per weight, that is not worth a step.</summary>
    private const double Nothing = 1e-20;

    /// <summary>A gain, per weight, from which on Newton's steps need no guard.</summary>
    private const double Sure = 1e-10;

    private const double LongestStep = 20;
    private readonly TermMatrix _terms;
    private readonly double[] _gradient;
    private readonly double[] _step;
    private readonly double[] _tried;
    private readonly double[] _hessian;
    private readonly double[] _factor;
    private readonly double[] _blocks;

    public GateNewton(TermMatrix terms, int experts)
    {
        _terms = terms;
        Experts = experts;
        var size = (experts - 1) * terms.Width;
        Coefficients = new double[size];
        (_gradient, _step, _tried) = (new double[size], new double[size], new double[size]);
        (_hessian, _factor) = (new double[size * size], new double[size * size]);
        _blocks = new double[experts * (experts - 1) / 2 * terms.Width * terms.Width];
        Log = new double[terms.Rows * experts];
        Probability = new double[terms.Rows * experts];
        Evaluate();
    }

    /// <summary>K.</summary>
    public int Experts { get; }

    /// <summary>[K - 1, P]: those of experts 2 to K, standardised.</summary>
    public double[] Coefficients { get; }

    /// <summary>log g, [n, K], of the coefficients.</summary>
    public double[] Log { get; }

    /// <summary>g, [n, K].</summary>
    public double[] Probability { get; }

    /// <summary>Takes Newton steps from the coefficients as they are.</summary>
    /// <param name="shares">r, [n, K].</param>
    /// <param name="weights">w, [n].</param>
    /// <param name="penalty">λ, absolute.</param>
    /// <param name="steps">At most so many.</param>
    /// <returns>True if it ended because the next step would gain nothing.</returns>
    public bool Fit(ReadOnlySpan<double> shares, ReadOnlySpan<double> weights, double penalty, int steps)
    {
        if (Experts == 1)
            return true;
        var total = 0.0;
        foreach (var weight in weights)
            total += weight;
        var objective = Objective(shares, weights, penalty);
        for (var step = 0; step < steps; step++)
        {
            Derivatives(shares, weights, penalty);
            _gradient.CopyTo(_step, 0);
            SmallCholesky.Solve(_hessian, _factor, _step);
            var (gain, longest) = (0.0, 0.0);
            for (var place = 0; place < _step.Length; place++)
            {
                gain += _step[place] * _gradient[place];
                longest = Math.Max(longest, Math.Abs(_step[place]));
            }
            if (!(gain > Nothing * total))
                return true;
            if (gain < Sure * total)
            {
                // A long step for next to nothing: the coefficients run off to infinity.
                if (longest >= 1)
                    return true;

                // So near the optimum the objective's rounding would refuse steps that the coefficients still need.
                for (var place = 0; place < _step.Length; place++)
                    Coefficients[place] += _step[place];
                Evaluate();
                objective = Objective(shares, weights, penalty);
                continue;
            }
            var length = Math.Min(1, LongestStep / longest);
            Coefficients.CopyTo(_tried, 0);
            var better = objective;
            for (var halving = 0; halving < 40; halving++, length *= 0.5)
            {
                for (var place = 0; place < _step.Length; place++)
                    Coefficients[place] = _tried[place] + (length * _step[place]);
                Evaluate();
                better = Objective(shares, weights, penalty);
                if (better >= objective)
                    break;
            }
            if (!(better >= objective))
            {
                _tried.CopyTo(Coefficients, 0);
                Evaluate();
                return true;
            }
            objective = better;
        }
        return false;
    }

    /// <summary>Computes log g and g of the coefficients as they are.</summary>
    public void Evaluate()
    {
        var (width, experts) = (_terms.Width, Experts);
        if (experts == 1)
        {
            Array.Fill(Probability, 1);
            return;
        }
        for (var row = 0; row < _terms.Rows; row++)
        {
            var z = _terms.Values.AsSpan(row * width, width);
            var log = Log.AsSpan(row * experts, experts);
            var greatest = log[0] = 0;
            for (var expert = 1; expert < experts; expert++)
            {
                log[expert] = Products.Dot(z, Coefficients.AsSpan((expert - 1) * width, width));
                greatest = Math.Max(greatest, log[expert]);
            }
            var g = Probability.AsSpan(row * experts, experts);
            var sum = 0.0;
            for (var expert = 0; expert < experts; expert++)
                sum += g[expert] = Math.Exp(log[expert] - greatest);
            var total = greatest + Math.Log(sum);
            for (var expert = 0; expert < experts; expert++)
            {
                log[expert] -= total;
                g[expert] /= sum;
            }
        }
    }

    /// <summary>The coefficients of a gate that was fitted to such rows.</summary>
    public static GateNewton Of(TermMatrix terms, SoftmaxGate gate)
    {
        var newton = new GateNewton(terms, gate.Experts);
        using var coefficients = gate.Coefficients();
        terms.FromRaw(Moe.Core.HostMemory.Of<double>(coefficients), newton.Coefficients);
        newton.Evaluate();
        return newton;
    }

    /// <summary>The least of what the rows tell of a coefficient that the others before it do not (a pivot of the information); 0 where it is nothing.</summary>
    public double LeastInformation(ReadOnlySpan<double> weights)
    {
        Derivatives(Probability, weights, 0);
        if (!SmallCholesky.Factor(_hessian, _factor, _step.Length))
            return 0;
        var least = double.PositiveInfinity;
        for (var place = 0; place < _factor.Length; place += _step.Length + 1)
            least = Math.Min(least, _factor[place] * _factor[place]);
        return least;
    }

    /// <summary>λ/2 times the squares of the slopes about their mean over the experts.</summary>
    public double PenaltyOf(double penalty)
    {
        if (penalty == 0)
            return 0;
        var (width, squares) = (_terms.Width, 0.0);
        for (var column = 1; column < width; column++)
        {
            var sum = 0.0;
            for (var place = column; place < Coefficients.Length; place += width)
            {
                sum += Coefficients[place];
                squares += Coefficients[place] * Coefficients[place];
            }
            squares -= sum * sum / Experts;
        }
        return 0.5 * penalty * squares;
    }

    /// <summary>Takes the penalty's gradient from a gradient, and adds its second derivatives to a negative Hessian [size, size] whose first places are the gate's.</summary>
    public void AddPenalty(Span<double> gradient, Span<double> hessian, int size, double penalty)
    {
        if (penalty == 0)
            return;
        var width = _terms.Width;
        for (var column = 1; column < width; column++)
        {
            var sum = 0.0;
            for (var place = column; place < Coefficients.Length; place += width)
                sum += Coefficients[place];
            for (var place = column; place < Coefficients.Length; place += width)
            {
                gradient[place] -= penalty * (Coefficients[place] - (sum / Experts));
                for (var other = place; other < Coefficients.Length; other += width)
                    hessian[(place * size) + other] += penalty * ((place == other ? 1 : 0) - (1.0 / Experts));
            }
        }
    }

    private double Objective(ReadOnlySpan<double> shares, ReadOnlySpan<double> weights, double penalty)
    {
        var sum = 0.0;
        for (var row = 0; row < _terms.Rows; row++)
        {
            var inner = 0.0;
            for (var place = row * Experts; place < (row + 1) * Experts; place++)
            {
                if (shares[place] > 0)
                    inner += shares[place] * Log[place];
            }
            sum += weights[row] * inner;
        }
        return sum - PenaltyOf(penalty);
    }

    private void Derivatives(ReadOnlySpan<double> shares, ReadOnlySpan<double> weights, double penalty)
    {
        var (width, experts, size) = (_terms.Width, Experts, _step.Length);
        Array.Clear(_gradient);
        Array.Clear(_blocks);
        Array.Clear(_hessian);
        for (var row = 0; row < _terms.Rows; row++)
        {
            var weight = weights[row];
            if (weight == 0)
                continue;
            var z = _terms.Values.AsSpan(row * width, width);
            var (start, block) = (row * experts, 0);
            for (var expert = 1; expert < experts; expert++)
            {
                var g = Probability[start + expert];
                Products.AddScaled(_gradient.AsSpan((expert - 1) * width, width), z, weight * (shares[start + expert] - g));
                for (var other = expert; other < experts; other++, block += width * width)
                {
                    var product = weight * g * ((other == expert ? 1 : 0) - Probability[start + other]);
                    if (Math.Abs(product) > 1e-20 * weight)
                        Products.Add(_blocks.AsSpan(block, width * width), z, product);
                }
            }
        }
        Spread(size, width);
        AddPenalty(_gradient, _hessian, size, penalty);
    }

    /// <summary>Puts the blocks, each the upper triangle of a symmetric matrix, into the upper triangle of the whole.</summary>
    private void Spread(int size, int width)
    {
        var block = 0;
        for (var expert = 0; expert < Experts - 1; expert++)
        {
            for (var other = expert; other < Experts - 1; other++, block += width * width)
            {
                for (var first = 0; first < width; first++)
                {
                    for (var second = 0; second < width; second++)
                        _hessian[(((expert * width) + first) * size) + (other * width) + second] = _blocks[block + (Math.Min(first, second) * width) + Math.Max(first, second)];
                }
            }
        }
    }
}
