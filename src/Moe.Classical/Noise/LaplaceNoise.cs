using Moe.Core;
using static TorchSharp.torch;

namespace Moe.Classical;

/// <summary>Laplace noise, p(e) = exp(-|e| / b) / 2b: heavier tails than the normal, so that single far rows count less.</summary>
public sealed class LaplaceNoise : NoiseModel
{
    internal const string Kind = "laplace";

    /// <summary>Laplace noise.</summary>
    /// <param name="scale">b, above 0, in units of the response; the standard deviation is √2 b.</param>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="scale"/> is not above 0 and finite.</exception>
    public LaplaceNoise(double scale)
    {
        NoiseNumbers.Positive(scale, nameof(scale));
        Scale = scale;
    }

    /// <summary>b, the mean absolute deviation.</summary>
    public double Scale { get; }

    /// <inheritdoc/>
    public override double DegreesOfFreedom => 1;

    /// <inheritdoc/>
    public override Tensor LogDensity(Tensor prediction, Response response)
    {
        var (mean, y) = NoiseNumbers.Pair(prediction, response, ResponseKind.Real);
        var answer = NoiseNumbers.New(y.Length);
        var log = HostMemory.Of<double>(answer);
        var constant = -Math.Log(2 * Scale);
        for (var row = 0; row < y.Length; row++)
            log[row] = constant - (Math.Abs(y[row] - mean[row]) / Scale);
        return answer;
    }

    /// <inheritdoc/>
    public override Tensor Variance(Tensor prediction, Tensor? trials) => NoiseNumbers.Constant(prediction, 2 * Scale * Scale);

    /// <inheritdoc/>
    public override Tensor Cumulative(Tensor prediction, Tensor values, Tensor? trials) => NoiseNumbers.Map(prediction, values, (mean, value) =>
    {
        var z = (value - mean) / Scale;
        return z < 0 ? 0.5 * Math.Exp(z) : 1 - (0.5 * Math.Exp(-z));
    });

    /// <inheritdoc/>
    public override ExpertState ToState() => new ExpertState(Kind).Set("scale", Scale);

    /// <inheritdoc/>
    public override string ToString() => $"Laplace, b {NoiseNumbers.Short(Scale)}";

    internal static LaplaceNoise FromState(ExpertState state) => new(state.Get<double>("scale"));
}
