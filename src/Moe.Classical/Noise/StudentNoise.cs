using Moe.Core;
using static TorchSharp.torch;

namespace Moe.Classical;

/// <summary>Student's t noise: as normal as its degrees of freedom are many, and otherwise of heavy tails.</summary>
public sealed class StudentNoise : NoiseModel
{
    internal const string Kind = "student";
    private readonly bool _estimated;

    /// <summary>Student's t noise.</summary>
    /// <param name="scale">s, above 0, in units of the response; the variance is s² ν / (ν - 2).</param>
    /// <param name="freedom">ν, above 2, so that there is a variance.</param>
    /// <param name="estimated">True if ν was estimated, so that it counts as a parameter.</param>
    /// <exception cref="ArgumentOutOfRangeException">A number is out of its range.</exception>
    public StudentNoise(double scale, double freedom, bool estimated = false)
    {
        NoiseNumbers.Positive(scale, nameof(scale));
        NoiseNumbers.Positive(freedom - 2, nameof(freedom));
        (Scale, Freedom, _estimated) = (scale, freedom, estimated);
    }

    /// <summary>s.</summary>
    public double Scale { get; }

    /// <summary>ν.</summary>
    public double Freedom { get; }

    /// <inheritdoc/>
    public override double DegreesOfFreedom => _estimated ? 2 : 1;

    /// <inheritdoc/>
    public override Tensor LogDensity(Tensor prediction, Response response)
    {
        var (mean, y) = NoiseNumbers.Pair(prediction, response, ResponseKind.Real);
        var answer = NoiseNumbers.New(y.Length);
        var log = HostMemory.Of<double>(answer);
        var constant = LogConstant(Scale, Freedom);
        for (var row = 0; row < y.Length; row++)
        {
            var z = (y[row] - mean[row]) / Scale;
            log[row] = constant - (0.5 * (Freedom + 1) * Math.Log(1 + (z * z / Freedom)));
        }
        return answer;
    }

    /// <inheritdoc/>
    public override Tensor Variance(Tensor prediction, Tensor? trials) => NoiseNumbers.Constant(prediction, Scale * Scale * Freedom / (Freedom - 2));

    /// <inheritdoc/>
    public override Tensor Cumulative(Tensor prediction, Tensor values, Tensor? trials) =>
        NoiseNumbers.Map(prediction, values, (mean, value) => DistributionFunctions.Student((value - mean) / Scale, Freedom));

    /// <inheritdoc/>
    public override ExpertState ToState() => new ExpertState(Kind).Set("scale", Scale).Set("freedom", Freedom).Set("estimated", _estimated);

    /// <inheritdoc/>
    public override string ToString() => $"Student t, s {NoiseNumbers.Short(Scale)}, ν {NoiseNumbers.Short(Freedom)}";

    internal static StudentNoise FromState(ExpertState state) => new(state.Get<double>("scale"), state.Get<double>("freedom"), state.Get<bool>("estimated"));

    internal static double LogConstant(double scale, double freedom) =>
        DistributionFunctions.LogGamma((freedom + 1) / 2) - DistributionFunctions.LogGamma(freedom / 2) - (0.5 * Math.Log(freedom * Math.PI)) - Math.Log(scale);
}
