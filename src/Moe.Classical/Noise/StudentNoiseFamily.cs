using static TorchSharp.torch;

namespace Moe.Classical;

/// <summary>Student's t noise around real numbers; the scale by maximum likelihood (the EM of Lange, Little and Taylor 1989, section 2), ν given or estimated.</summary>
public sealed class StudentNoiseFamily : NoiseFamily
{
    private const double LeastFreedom = 2.1;
    private const double MostFreedom = 200;
    private readonly double? _freedom;

    /// <summary>Student's t noise.</summary>
    /// <param name="freedom">ν, above 2; null to estimate it, between 2.1 and 200.</param>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="freedom"/> is not above 2.</exception>
    public StudentNoiseFamily(double? freedom = 4)
    {
        if (freedom is { } given)
            NoiseNumbers.Positive(given - 2, nameof(freedom));
        _freedom = freedom;
    }

    /// <inheritdoc/>
    public override string Name => StudentNoise.Kind;

    /// <inheritdoc/>
    public override bool Takes(ResponseKind kind) => kind == ResponseKind.Real;

    /// <inheritdoc/>
    public override NoiseModel Fit(Tensor prediction, Response response, Tensor? weights, double floor)
    {
        var (mean, y) = NoiseNumbers.Pair(prediction, response, ResponseKind.Real);
        var weight = NoiseNumbers.Weights(weights);
        if (_freedom is { } given)
            return new StudentNoise(ScaleFor(mean, y, weight, given, floor, out _), given);

        // The likelihood, the scale fitted for each, has one peak in log ν in practice: golden sections find it.
        var ratio = (Math.Sqrt(5) - 1) / 2;
        var (low, high) = (Math.Log(LeastFreedom), Math.Log(MostFreedom));
        for (var step = 0; step < 30; step++)
        {
            var (left, right) = (high - (ratio * (high - low)), low + (ratio * (high - low)));
            ScaleFor(mean, y, weight, Math.Exp(left), floor, out var leftFit);
            ScaleFor(mean, y, weight, Math.Exp(right), floor, out var rightFit);
            (low, high) = leftFit >= rightFit ? (low, right) : (left, high);
        }
        var freedom = Math.Exp(0.5 * (low + high));
        return new StudentNoise(ScaleFor(mean, y, weight, freedom, floor, out _), freedom, estimated: true);
    }

    private static double ScaleFor(ReadOnlySpan<double> mean, ReadOnlySpan<double> y, ReadOnlySpan<double> weight, double freedom, double floor, out double logLikelihood)
    {
        var (squares, total) = (0.0, 0.0);
        for (var row = 0; row < y.Length; row++)
        {
            var w = weight.IsEmpty ? 1 : weight[row];
            if (w == 0)
                continue;
            squares += w * (y[row] - mean[row]) * (y[row] - mean[row]);
            total += w;
        }
        var least = floor * Math.Sqrt((freedom - 2) / freedom);
        var scale = NoiseNumbers.Floored(Math.Sqrt(squares / total * (freedom - 2) / freedom), least);
        for (var step = 0; step < 200; step++)
        {
            var sum = 0.0;
            for (var row = 0; row < y.Length; row++)
            {
                if (!weight.IsEmpty && weight[row] == 0)
                    continue;
                var z = (y[row] - mean[row]) / scale;
                sum += (weight.IsEmpty ? 1 : weight[row]) * z * z * (freedom + 1) / (freedom + (z * z));
            }
            var next = NoiseNumbers.Floored(scale * Math.Sqrt(sum / total), least);
            var done = Math.Abs(next - scale) <= 1e-10 * scale;
            scale = next;
            if (done)
                break;
        }
        logLikelihood = total * StudentNoise.LogConstant(scale, freedom);
        for (var row = 0; row < y.Length; row++)
        {
            if (!weight.IsEmpty && weight[row] == 0)
                continue;
            var z = (y[row] - mean[row]) / scale;
            logLikelihood -= (weight.IsEmpty ? 1 : weight[row]) * 0.5 * (freedom + 1) * Math.Log(1 + (z * z / freedom));
        }
        return scale;
    }
}
