namespace Moe.Classical;

/// <summary>The ridge of softmax models: λ/2 times the squares of the standardised slopes about their mean over the classes. Intercepts are free.</summary>
/// <remarks>
/// No class is singled out: it is the same for coefficients [K, P] and for those [K - 1, P] relative to the first class, and at the optimum it is λ/2 times the squares of slopes
/// whose sum over the classes is 0.
/// </remarks>
internal static class SlopePenalty
{
    /// <summary>Its value.</summary>
    /// <param name="coefficients">[K, P], or [K - 1, P] where those of the first class are 0.</param>
    /// <param name="width">P.</param>
    /// <param name="classes">K.</param>
    /// <param name="penalty">λ.</param>
    public static double Of(ReadOnlySpan<double> coefficients, int width, int classes, double penalty)
    {
        var squares = 0.0;
        for (var term = 1; term < width && penalty > 0; term++)
        {
            var mean = Mean(coefficients, width, classes, term);
            squares += (classes - (coefficients.Length / width)) * mean * mean;
            for (var place = term; place < coefficients.Length; place += width)
                squares += (coefficients[place] - mean) * (coefficients[place] - mean);
        }
        return 0.5 * penalty * squares;
    }

    /// <summary>Adds its gradient, by the coefficients that are given; λ below 0 takes it away.</summary>
    public static void AddGradient(ReadOnlySpan<double> coefficients, int width, int classes, double penalty, Span<double> gradient)
    {
        for (var term = 1; term < width && penalty != 0; term++)
        {
            var mean = Mean(coefficients, width, classes, term);
            for (var place = term; place < coefficients.Length; place += width)
                gradient[place] += penalty * (coefficients[place] - mean);
        }
    }

    /// <summary>Adds its second derivatives by <paramref name="count"/> coefficients to the upper triangle of a matrix [size, size] that begins with them.</summary>
    public static void AddHessian(int count, int width, int classes, double penalty, Span<double> matrix, int size)
    {
        for (var term = 1; term < width && penalty != 0; term++)
        {
            for (var place = term; place < count; place += width)
            {
                for (var other = place; other < count; other += width)
                    matrix[(place * size) + other] += penalty * ((place == other ? 1 : 0) - (1.0 / classes));
            }
        }
    }

    private static double Mean(ReadOnlySpan<double> coefficients, int width, int classes, int term)
    {
        var sum = 0.0;
        for (var place = term; place < coefficients.Length; place += width)
            sum += coefficients[place];
        return sum / classes;
    }
}
