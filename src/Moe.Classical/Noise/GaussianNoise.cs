using Moe.Core;
using static TorchSharp.torch;

namespace Moe.Classical;

/// <summary>Normal noise of one standard deviation around every prediction.</summary>
public sealed class GaussianNoise : NoiseModel
{
    internal const string Kind = "gaussian";
    private static readonly double LogSqrtTwoPi = 0.5 * Math.Log(2 * Math.PI);

    /// <summary>Normal noise.</summary>
    /// <param name="sigma">The standard deviation, above 0, in units of the response.</param>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="sigma"/> is not above 0 and finite.</exception>
    public GaussianNoise(double sigma)
    {
        NoiseNumbers.Positive(sigma, nameof(sigma));
        Sigma = sigma;
    }

    /// <summary>The standard deviation.</summary>
    public double Sigma { get; }

    /// <inheritdoc/>
    public override double DegreesOfFreedom => 1;

    /// <inheritdoc/>
    public override Tensor LogDensity(Tensor prediction, Response response)
    {
        var (mean, y) = NoiseNumbers.Pair(prediction, response, ResponseKind.Real);
        var answer = NoiseNumbers.New(y.Length);
        var log = HostMemory.Of<double>(answer);
        var constant = -LogSqrtTwoPi - Math.Log(Sigma);
        for (var row = 0; row < y.Length; row++)
        {
            var z = (y[row] - mean[row]) / Sigma;
            log[row] = constant - (0.5 * z * z);
        }
        return answer;
    }

    /// <inheritdoc/>
    public override Tensor Variance(Tensor prediction, Tensor? trials) => NoiseNumbers.Constant(prediction, Sigma * Sigma);

    /// <inheritdoc/>
    public override Tensor Cumulative(Tensor prediction, Tensor values, Tensor? trials) =>
        NoiseNumbers.Map(prediction, values, (mean, value) => DistributionFunctions.Normal((value - mean) / Sigma));

    /// <inheritdoc/>
    public override ExpertState ToState() => new ExpertState(Kind).Set("sigma", Sigma);

    /// <inheritdoc/>
    public override string ToString() => $"Gaussian, σ {NoiseNumbers.Short(Sigma)}";

    internal static GaussianNoise FromState(ExpertState state) => new(state.Get<double>("sigma"));
}
