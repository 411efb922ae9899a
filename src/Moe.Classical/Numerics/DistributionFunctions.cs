namespace Moe.Classical;

/// <summary>Cumulative distribution functions and what they are made of, one number at a time.</summary>
internal static class DistributionFunctions
{
    private const double Tiny = 1e-300;

    // Lanczos approximation with g = 607/128 and 15 terms (Godfrey 2001): 15 digits.
    private static readonly double[] Lanczos =
    [
        0.99999999999999709182, 57.156235665862923517, -59.597960355475491248, 14.136097974741747174, -0.49191381609762019978, 0.33994649984811888699e-4, 0.46523628927048575665e-4,
        -0.98374475304879564677e-4, 0.15808870322491248884e-3, -0.21026444172410488319e-3, 0.21743961811521264320e-3, -0.16431810653676389022e-3, 0.84418223983852743293e-4,
        -0.26190838401581408670e-4, 0.36899182659531622704e-5,
    ];

    /// <summary>log Γ(x) for x above 0.</summary>
    public static double LogGamma(double x)
    {
        // Exact for the first factorials, which most counts are.
        if (x is 1 or 2)
            return 0;
        var sum = Lanczos[0];
        for (var term = 1; term < Lanczos.Length; term++)
            sum += Lanczos[term] / (x - 1 + term);
        var t = x - 1 + (607.0 / 128) + 0.5;
        return ((x - 0.5) * Math.Log(t)) - t + (0.5 * Math.Log(2 * Math.PI)) + Math.Log(sum);
    }

    /// <summary>log of the number of ways to choose.</summary>
    public static double LogChoose(double all, double chosen) =>
        chosen == 0 || chosen == all ? 0 : LogGamma(all + 1) - LogGamma(chosen + 1) - LogGamma(all - chosen + 1);

    /// <summary>P(Z ≤ z) of the standard normal distribution.</summary>
    public static double Normal(double z)
    {
        var half = 0.5 * IncompleteGamma(0.5, 0.5 * z * z, out var upper);
        return z < 0 ? 0.5 * upper : 0.5 + half;
    }

    /// <summary>P(T ≤ t) of Student's distribution.</summary>
    public static double Student(double t, double freedom)
    {
        var tail = 0.5 * IncompleteBeta(freedom / 2, 0.5, freedom / (freedom + (t * t)));
        return t < 0 ? tail : 1 - tail;
    }

    /// <summary>P(Y ≤ value) of a Poisson count.</summary>
    public static double Poisson(double value, double mean)
    {
        if (value < 0)
            return 0;
        IncompleteGamma(Math.Floor(value) + 1, mean, out var upper);
        return upper;
    }

    /// <summary>P(Y ≤ value) of a number of successes.</summary>
    public static double Binomial(double value, double trials, double probability)
    {
        var whole = Math.Floor(value);
        return whole < 0 ? 0 : whole >= trials ? 1 : IncompleteBeta(trials - whole, whole + 1, 1 - probability);
    }

    /// <summary>The regularised incomplete gamma functions P(a, x), returned, and Q = 1 - P: series below a + 1, Lentz's continued fraction above.</summary>
    public static double IncompleteGamma(double a, double x, out double upper)
    {
        if (x <= 0)
        {
            upper = 1;
            return 0;
        }
        var front = Math.Exp((a * Math.Log(x)) - x - LogGamma(a));
        if (x < a + 1)
        {
            var (term, sum, denominator) = (1 / a, 1 / a, a);
            for (var step = 0; step < 100_000 && Math.Abs(term) > sum * 1e-17; step++)
            {
                denominator++;
                term *= x / denominator;
                sum += term;
            }
            var lower = Math.Min(front * sum, 1);
            upper = 1 - lower;
            return lower;
        }
        var b = x + 1 - a;
        var c = 1 / Tiny;
        var d = 1 / b;
        var fraction = d;
        for (var step = 1; step < 100_000; step++)
        {
            var numerator = -step * (step - a);
            b += 2;
            d = 1 / Away((numerator * d) + b);
            c = Away(b + (numerator / c));
            fraction *= d * c;
            if (Math.Abs((d * c) - 1) < 1e-16)
                break;
        }
        upper = Math.Min(front * fraction, 1);
        return 1 - upper;
    }

    /// <summary>The regularised incomplete beta function I_x(a, b), by Lentz's continued fraction.</summary>
    public static double IncompleteBeta(double a, double b, double x)
    {
        if (x <= 0)
            return 0;
        if (x >= 1)
            return 1;
        var front = Math.Exp(LogGamma(a + b) - LogGamma(a) - LogGamma(b) + (a * Math.Log(x)) + (b * Math.Log(1 - x)));
        return x < (a + 1) / (a + b + 2) ? Math.Min(front * BetaFraction(a, b, x) / a, 1) : Math.Max(1 - (front * BetaFraction(b, a, 1 - x) / b), 0);
    }

    private static double BetaFraction(double a, double b, double x)
    {
        var c = 1.0;
        var d = 1 / Away(1 - ((a + b) * x / (a + 1)));
        var fraction = d;
        for (var step = 1; step < 100_000; step++)
        {
            var even = step * (b - step) * x / ((a + (2 * step) - 1) * (a + (2 * step)));
            d = 1 / Away(1 + (even * d));
            c = Away(1 + (even / c));
            fraction *= d * c;
            var odd = -(a + step) * (a + b + step) * x / ((a + (2 * step)) * (a + (2 * step) + 1));
            d = 1 / Away(1 + (odd * d));
            c = Away(1 + (odd / c));
            fraction *= d * c;
            if (Math.Abs((d * c) - 1) < 1e-16)
                break;
        }
        return fraction;
    }

    private static double Away(double value) => Math.Abs(value) < Tiny ? Tiny : value;
}
