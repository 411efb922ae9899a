using Moe.Core;
using static TorchSharp.torch;

namespace Moe.Classical;

/// <summary>Successes that are binomial with the predicted probability. Has no parameters.</summary>
public sealed class BinomialNoise : NoiseModel
{
    internal const string Kind = "binomial";

    /// <summary>Binomial successes.</summary>
    /// <param name="clip">Probabilities are kept this far from 0 and 1, so that an expert that is sure and wrong is only unlikely. From above 0 to below 0.5.</param>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="clip"/> is out of its range.</exception>
    public BinomialNoise(double clip = NoiseNumbers.Clip)
    {
        NoiseNumbers.Positive(clip, nameof(clip));
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(clip, 0.5);
        Clip = clip;
    }

    /// <summary>How close to 0 and 1 a probability may come.</summary>
    /// <value>The default is 1e-6.</value>
    public double Clip { get; }

    /// <inheritdoc/>
    public override double DegreesOfFreedom => 0;

    /// <inheritdoc/>
    public override Tensor LogDensity(Tensor prediction, Response response)
    {
        var (mean, y) = NoiseNumbers.Pair(prediction, response, ResponseKind.Trials);
        var trials = HostMemory.Of<double>(response.Trials!);
        var answer = NoiseNumbers.New(y.Length);
        var log = HostMemory.Of<double>(answer);
        for (var row = 0; row < y.Length; row++)
        {
            var p = Math.Clamp(mean[row], Clip, 1 - Clip);
            log[row] = (y[row] * Math.Log(p)) + ((trials[row] - y[row]) * Math.Log(1 - p)) + DistributionFunctions.LogChoose(trials[row], y[row]);
        }
        return answer;
    }

    /// <inheritdoc/>
    public override Tensor Variance(Tensor prediction, Tensor? trials) => NoiseNumbers.Map(prediction, trials, (mean, all) =>
    {
        var p = Math.Clamp(mean, Clip, 1 - Clip);
        return all * p * (1 - p);
    });

    /// <inheritdoc/>
    public override Tensor Cumulative(Tensor prediction, Tensor values, Tensor? trials)
    {
        var mean = NoiseNumbers.Means(prediction);
        var value = HostMemory.Of<double>(values);
        var all = trials is null ? default : HostMemory.Of<double>(trials);
        var answer = NoiseNumbers.New(mean.Length);
        var result = HostMemory.Of<double>(answer);
        for (var row = 0; row < mean.Length; row++)
            result[row] = DistributionFunctions.Binomial(value[row], all.IsEmpty ? 1 : all[row], Math.Clamp(mean[row], Clip, 1 - Clip));
        return answer;
    }

    /// <inheritdoc/>
    public override ExpertState ToState() => new ExpertState(Kind).Set("clip", Clip);

    /// <inheritdoc/>
    public override string ToString() => "binomial";

    internal static BinomialNoise FromState(ExpertState state) => new(state.Get<double>("clip"));
}
