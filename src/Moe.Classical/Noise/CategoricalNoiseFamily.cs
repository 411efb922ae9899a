using static TorchSharp.torch;

namespace Moe.Classical;

/// <summary>Classes around predicted probabilities, which may be calibrated by a temperature fitted by maximum likelihood (Guo et al. 2017, section 4.2).</summary>
public sealed class CategoricalNoiseFamily : NoiseFamily
{
    private readonly bool _calibrate;

    /// <summary>Classes with predicted probabilities.</summary>
    /// <param name="calibrate">True to fit the temperature, between 1/20 and 20. Means something only where the predictions are out of sample.</param>
    public CategoricalNoiseFamily(bool calibrate = false) => _calibrate = calibrate;

    /// <inheritdoc/>
    public override string Name => CategoricalNoise.Kind;

    /// <inheritdoc/>
    public override bool Takes(ResponseKind kind) => kind == ResponseKind.Class;

    /// <inheritdoc/>
    public override NoiseModel Fit(Tensor prediction, Response response, Tensor? weights, double floor)
    {
        ArgumentNullException.ThrowIfNull(response);
        if (!_calibrate)
            return new CategoricalNoise();
        var (probabilities, y, classes) = NoiseNumbers.Classes(prediction, response);
        var weight = NoiseNumbers.Weights(weights);

        // Concave in 1/T, so that golden sections find its one peak.
        var ratio = (Math.Sqrt(5) - 1) / 2;
        var (low, high) = (-Math.Log(20), Math.Log(20));
        for (var step = 0; step < 40; step++)
        {
            var (left, right) = (high - (ratio * (high - low)), low + (ratio * (high - low)));
            (low, high) = Sum(probabilities, y, weight, classes, left) >= Sum(probabilities, y, weight, classes, right) ? (low, right) : (left, high);
        }
        return new CategoricalNoise(Math.Exp(-0.5 * (low + high)), estimated: true);
    }

    private static double Sum(ReadOnlySpan<double> probabilities, ReadOnlySpan<double> y, ReadOnlySpan<double> weight, int classes, double logSharpness)
    {
        var (sum, sharpness) = (0.0, Math.Exp(logSharpness));
        for (var row = 0; row < y.Length; row++)
            sum += (weight.IsEmpty ? 1 : weight[row]) * CategoricalNoise.LogOf(probabilities.Slice(row * classes, classes), (int)y[row], sharpness, NoiseNumbers.Clip);
        return sum;
    }
}
