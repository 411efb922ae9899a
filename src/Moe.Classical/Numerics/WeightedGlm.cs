namespace Moe.Classical;

/// <summary>Generalised linear models of counts and successes with their canonical links, by iteratively reweighted least squares with prior weights.</summary>
/// <remarks>
/// Maximises Σ w log p(y | η) - λ/2 |slopes|² over standardised slopes, η = t β (McCullagh and Nelder 1989). With a canonical link this is Newton's method; a step is halved until the
/// objective does not fall, so that it never ends worse than it began. η is held between -700 and 700 where exponentials are taken.
/// </remarks>
internal sealed class WeightedGlm
{
    private const double LongestStep = 10;
    private readonly StandardTerms _terms;
    private readonly GlmFamily _family;
    private readonly double _penalty;
    private readonly double[] _linear;
    private readonly double[] _information;
    private readonly bool[] _factored;

    /// <summary>A model at 0.</summary>
    /// <param name="family">What is explained.</param>
    /// <param name="terms">t; without combinations of others where there is no penalty.</param>
    /// <param name="penalty">λ, absolute.</param>
    public WeightedGlm(GlmFamily family, StandardTerms terms, double penalty)
    {
        (_family, _terms, _penalty) = (family, terms, penalty);
        Coefficients = new double[terms.Width];
        _linear = new double[terms.Rows];
        _information = new double[terms.Width * terms.Width];
        _factored = new bool[terms.Width];
    }

    /// <summary>β, standardised, [P]; to start from, and the result.</summary>
    public double[] Coefficients { get; }

    /// <summary>The log-likelihood less its constants and the penalty.</summary>
    public double Objective { get; private set; }

    /// <summary>Steps of the last fit.</summary>
    public int Steps { get; private set; }

    /// <summary>True if the last fit ended because nothing more was to be gained.</summary>
    public bool Converged { get; private set; }

    /// <summary>True if without a ridge some row that counts has a probability within 1e-11 of 0 or 1, or a mean below 1e-11: coefficients on their way to infinity.</summary>
    public bool Separated { get; private set; }

    /// <summary>Starts at the intercept of the overall mean.</summary>
    public void Start(ReadOnlySpan<double> response, ReadOnlySpan<double> trials, ReadOnlySpan<double> weights)
    {
        var (won, all) = (0.0, 0.0);
        for (var row = 0; row < _terms.Rows; row++)
        {
            var weight = weights.IsEmpty ? 1 : weights[row];
            won += weight * response[row];
            all += weight * (trials.IsEmpty ? 1 : trials[row]);
        }
        Array.Clear(Coefficients);
        if (_terms.Values[0] != 0)
            Coefficients[0] = _family == GlmFamily.Poisson ? Math.Log(Math.Max(won, 1e-3) / all) : Math.Log((won + (1e-3 * all)) / (all - won + (1e-3 * all)));
    }

    /// <summary>Takes steps from the coefficients as they are.</summary>
    /// <param name="response">y, [n].</param>
    /// <param name="trials">[n] of a binomial; empty otherwise.</param>
    /// <param name="weights">w, [n]; empty for 1 each.</param>
    /// <param name="maxSteps">At most so many.</param>
    /// <param name="cancellation">Ends a long fit.</param>
    public void Fit(ReadOnlySpan<double> response, ReadOnlySpan<double> trials, ReadOnlySpan<double> weights, int maxSteps, CancellationToken cancellation)
    {
        var (gradient, step, kept) = (new double[_terms.Width], new double[_terms.Width], new double[_terms.Width]);
        (Steps, Converged, Separated) = (0, false, false);
        Objective = Evaluate(response, trials, weights);
        var scale = Size(trials, weights, response);
        for (; Steps < maxSteps && !Converged; Steps++)
        {
            cancellation.ThrowIfCancellationRequested();
            Derivatives(response, trials, weights, gradient);
            gradient.CopyTo(step, 0);
            AliasedCholesky.Factor(_information, _factored);
            AliasedCholesky.Substitute(_information, _factored, step);
            var (gain, longest) = (Products.Dot(step, gradient), 0.0);
            foreach (var move in step)
                longest = Math.Max(longest, Math.Abs(move));
            if (!(gain > 1e-15 * scale) || !double.IsFinite(longest))
            {
                Converged = true;
                break;
            }
            Coefficients.CopyTo(kept, 0);
            var (length, better) = (Math.Min(1, LongestStep / longest), double.NaN);
            for (var halving = 0; halving < 50 && !(better >= Objective); halving++, length *= 0.5)
            {
                kept.CopyTo(Coefficients, 0);
                Products.AddScaled(Coefficients, step, length);
                better = Evaluate(response, trials, weights);
            }
            if (!(better >= Objective))
            {
                kept.CopyTo(Coefficients, 0);
                better = Evaluate(response, trials, weights);
                Converged = true;
            }
            Objective = better;
        }
        for (var row = 0; _penalty == 0 && row < _linear.Length; row++)
            Separated |= (_linear[row] < -25 || (_family == GlmFamily.Binomial && _linear[row] > 25)) && (weights.IsEmpty || weights[row] > 0);
    }

    /// <summary>The inverse of the observed information, penalty included, [P, P], standardised, and the trace of the smoother.</summary>
    public double[] Covariance(ReadOnlySpan<double> response, ReadOnlySpan<double> trials, ReadOnlySpan<double> weights, out double trace)
    {
        Derivatives(response, trials, weights, new double[_terms.Width]);
        var rank = AliasedCholesky.Factor(_information, _factored, 1e-14);
        var inverse = AliasedCholesky.Inverse(_information, _factored);
        trace = rank;
        for (var term = 1; term < _terms.Width && _penalty > 0; term++)
            trace -= _penalty * inverse[(term * _terms.Width) + term];
        return inverse;
    }

    /// <summary>The mean of one trial at η.</summary>
    public static double Mean(GlmFamily family, double linear)
    {
        var bounded = Math.Clamp(linear, -700, 700);
        return family == GlmFamily.Poisson ? Math.Exp(bounded) : 1 / (1 + Math.Exp(-bounded));
    }

    /// <summary>log p(y | η) without the terms that do not depend on η.</summary>
    public static double Kernel(GlmFamily family, double linear, double value, double trials)
    {
        var bounded = Math.Clamp(linear, -700, 700);
        return family == GlmFamily.Poisson
            ? (value * bounded) - Math.Exp(bounded)
            : (value * bounded) - (trials * (Math.Max(bounded, 0) + Math.Log(1 + Math.Exp(-Math.Abs(bounded)))));
    }

    private double Size(ReadOnlySpan<double> trials, ReadOnlySpan<double> weights, ReadOnlySpan<double> response)
    {
        var sum = 0.0;
        for (var row = 0; row < _terms.Rows; row++)
            sum += (weights.IsEmpty ? 1 : weights[row]) * (_family == GlmFamily.Poisson ? 1 + response[row] : trials[row]);
        return sum;
    }

    private double Evaluate(ReadOnlySpan<double> response, ReadOnlySpan<double> trials, ReadOnlySpan<double> weights)
    {
        var sum = 0.0;
        for (var row = 0; row < _terms.Rows; row++)
        {
            var weight = weights.IsEmpty ? 1 : weights[row];
            _linear[row] = Products.Dot(_terms.Row(row), Coefficients);
            if (weight > 0)
                sum += weight * Kernel(_family, _linear[row], response[row], trials.IsEmpty ? 1 : trials[row]);
        }
        return sum - (0.5 * _penalty * Products.Dot(Coefficients.AsSpan(1), Coefficients.AsSpan(1)));
    }

    private void Derivatives(ReadOnlySpan<double> response, ReadOnlySpan<double> trials, ReadOnlySpan<double> weights, Span<double> gradient)
    {
        gradient.Clear();
        Array.Clear(_information);
        for (var row = 0; row < _terms.Rows; row++)
        {
            var weight = weights.IsEmpty ? 1 : weights[row];
            if (weight == 0)
                continue;
            var (mean, count) = (Mean(_family, _linear[row]), trials.IsEmpty ? 1 : trials[row]);
            var variance = _family == GlmFamily.Poisson ? mean : mean * Mean(_family, -_linear[row]);
            Products.AddScaled(gradient, _terms.Row(row), weight * (response[row] - (count * mean)));
            Products.Add(_information, _terms.Row(row), weight * count * variance);
        }
        for (var term = 1; term < _terms.Width && _penalty > 0; term++)
        {
            gradient[term] -= _penalty * Coefficients[term];
            _information[(term * _terms.Width) + term] += _penalty;
        }
    }
}
