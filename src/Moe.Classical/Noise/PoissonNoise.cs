using Moe.Core;
using static TorchSharp.torch;

namespace Moe.Classical;

/// <summary>Counts that are Poisson around the predicted mean. Has no parameters.</summary>
public sealed class PoissonNoise : NoiseModel
{
    internal const string Kind = "poisson";

    /// <summary>Poisson counts.</summary>
    /// <param name="least">Means below this count as this, so that an expert that says 0 does not make every count above 0 impossible. Above 0.</param>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="least"/> is not above 0 and finite.</exception>
    public PoissonNoise(double least = NoiseNumbers.Clip)
    {
        NoiseNumbers.Positive(least, nameof(least));
        Least = least;
    }

    /// <summary>The smallest mean.</summary>
    /// <value>The default is 1e-6.</value>
    public double Least { get; }

    /// <inheritdoc/>
    public override double DegreesOfFreedom => 0;

    /// <inheritdoc/>
    public override Tensor LogDensity(Tensor prediction, Response response)
    {
        var (mean, y) = NoiseNumbers.Pair(prediction, response, ResponseKind.Count);
        var answer = NoiseNumbers.New(y.Length);
        var log = HostMemory.Of<double>(answer);
        for (var row = 0; row < y.Length; row++)
        {
            var rate = Math.Max(mean[row], Least);
            log[row] = (y[row] * Math.Log(rate)) - rate - DistributionFunctions.LogGamma(y[row] + 1);
        }
        return answer;
    }

    /// <inheritdoc/>
    public override Tensor Variance(Tensor prediction, Tensor? trials) => NoiseNumbers.Map(prediction, null, (mean, _) => Math.Max(mean, Least));

    /// <inheritdoc/>
    public override Tensor Cumulative(Tensor prediction, Tensor values, Tensor? trials) =>
        NoiseNumbers.Map(prediction, values, (mean, value) => DistributionFunctions.Poisson(value, Math.Max(mean, Least)));

    /// <inheritdoc/>
    public override ExpertState ToState() => new ExpertState(Kind).Set("least", Least);

    /// <inheritdoc/>
    public override string ToString() => "Poisson";

    internal static PoissonNoise FromState(ExpertState state) => new(state.Get<double>("least"));
}
