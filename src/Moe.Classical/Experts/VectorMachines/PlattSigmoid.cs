namespace Moe.Classical;

/// <summary>Turns a decision value f into a probability: 1 / (1 + exp(-(Slope·f + Offset))), Slope at least 0.</summary>
/// <remarks>
/// Platt (1999), fitted by the Newton method of Lin, Lin and Weng (2007, "A note on Platt's probabilistic outputs for support vector machines"): cross-entropy with
/// targets (N₊ + 1)/(N₊ + 2) and 1/(N₋ + 2), which keep it finite where values separate the classes.
/// </remarks>
internal readonly record struct PlattSigmoid(double Slope, double Offset)
{
    private const int MostSteps = 100;
    private const double Ridge = 1e-12;

    /// <summary>The probability of the first class.</summary>
    public double Probability(double value) => Logistic((Slope * value) + Offset);

    /// <summary>Fits it to values, whether each row is of the first class, and weights in units of rows.</summary>
    public static PlattSigmoid Fit(ReadOnlySpan<double> values, ReadOnlySpan<bool> first, ReadOnlySpan<double> weights)
    {
        var positive = 0.0;
        var negative = 0.0;
        var largest = 0.0;
        for (var row = 0; row < values.Length; row++)
        {
            if (first[row])
                positive += weights[row];
            else
                negative += weights[row];
            largest = Math.Max(largest, Math.Abs(values[row]));
        }
        var high = (positive + 1) / (positive + 2);
        var low = 1 / (negative + 2);
        var flat = new PlattSigmoid(0, Logit(((positive * high) + (negative * low)) / (positive + negative)));
        if (largest == 0)
            return flat;
        var scaled = new double[values.Length];
        var targets = new double[values.Length];
        for (var row = 0; row < values.Length; row++)
        {
            scaled[row] = values[row] / largest;
            targets[row] = first[row] ? high : low;
        }
        var (slope, offset) = Newton(scaled, targets, weights, flat.Offset, positive + negative);
        // The loss is convex: where its optimum turns the order of values around, the best that does not is flat.
        return slope > 0 ? new PlattSigmoid(slope / largest, offset) : flat;
    }

    private static (double Slope, double Offset) Newton(double[] values, double[] targets, ReadOnlySpan<double> weights, double start, double total)
    {
        var slope = 0.0;
        var offset = start;
        var loss = Loss(values, targets, weights, slope, offset);
        for (var step = 0; step < MostSteps; step++)
        {
            double g1 = 0, g2 = 0, h11 = Ridge, h12 = 0, h22 = Ridge;
            for (var row = 0; row < values.Length; row++)
            {
                var probability = Logistic((slope * values[row]) + offset);
                var error = weights[row] * (probability - targets[row]);
                var curvature = weights[row] * probability * (1 - probability);
                g1 += error * values[row];
                g2 += error;
                h11 += curvature * values[row] * values[row];
                h12 += curvature * values[row];
                h22 += curvature;
            }
            if (Math.Abs(g1) + Math.Abs(g2) <= 1e-12 * total)
                break;
            var determinant = (h11 * h22) - (h12 * h12);
            if (!(determinant > 0))
                break;
            var first = -((h22 * g1) - (h12 * g2)) / determinant;
            var second = -((h11 * g2) - (h12 * g1)) / determinant;
            var descent = (g1 * first) + (g2 * second);
            var size = 1.0;
            double next;
            // Near the optimum the loss can no longer tell steps apart; the full step is right there.
            while ((next = Loss(values, targets, weights, slope + (size * first), offset + (size * second))) > loss + (1e-4 * size * descent) + (1e-14 * Math.Abs(loss)) && size > 1e-10)
                size /= 2;
            if (size <= 1e-10)
                break;
            slope += size * first;
            offset += size * second;
            loss = next;
        }
        return (slope, offset);
    }

    private static double Loss(double[] values, double[] targets, ReadOnlySpan<double> weights, double slope, double offset)
    {
        var loss = 0.0;
        for (var row = 0; row < values.Length; row++)
        {
            var logit = (slope * values[row]) + offset;
            loss += weights[row] * (Math.Max(logit, 0) - (targets[row] * logit) + Math.Log(1 + Math.Exp(-Math.Abs(logit))));
        }
        return loss;
    }

    private static double Logistic(double logit)
    {
        var tail = Math.Exp(-Math.Abs(logit));
        return logit >= 0 ? 1 / (1 + tail) : tail / (1 + tail);
    }

    private static double Logit(double probability) => Math.Log(probability / (1 - probability));
}
