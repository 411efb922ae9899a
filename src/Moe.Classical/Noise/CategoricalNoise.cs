using Moe.Core;
using static TorchSharp.torch;

namespace Moe.Classical;

/// <summary>Classes with the predicted probabilities, clipped and, if wanted, cooled or warmed: p_c^(1/T) / Σ p^(1/T).</summary>
public sealed class CategoricalNoise : NoiseModel
{
    internal const string Kind = "categorical";
    private readonly bool _estimated;

    /// <summary>Classes with predicted probabilities.</summary>
    /// <param name="temperature">T, above 0: above 1 for an expert that is too sure of itself (Guo et al. 2017). 1 changes nothing.</param>
    /// <param name="clip">Probabilities below this count as this, so that an expert that is sure and wrong is only unlikely. From above 0 to below 0.5.</param>
    /// <param name="estimated">True if T was estimated, so that it counts as a parameter.</param>
    /// <exception cref="ArgumentOutOfRangeException">A number is out of its range.</exception>
    public CategoricalNoise(double temperature = 1, double clip = NoiseNumbers.Clip, bool estimated = false)
    {
        NoiseNumbers.Positive(temperature, nameof(temperature));
        NoiseNumbers.Positive(clip, nameof(clip));
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(clip, 0.5);
        (Temperature, Clip, _estimated) = (temperature, clip, estimated);
    }

    /// <summary>T.</summary>
    /// <value>The default is 1.</value>
    public double Temperature { get; }

    /// <summary>The smallest probability.</summary>
    /// <value>The default is 1e-6.</value>
    public double Clip { get; }

    /// <inheritdoc/>
    public override double DegreesOfFreedom => _estimated ? 1 : 0;

    /// <inheritdoc/>
    public override Tensor LogDensity(Tensor prediction, Response response)
    {
        ArgumentNullException.ThrowIfNull(response);
        var (probabilities, y, classes) = NoiseNumbers.Classes(prediction, response);
        var answer = NoiseNumbers.New(y.Length);
        var log = HostMemory.Of<double>(answer);
        for (var row = 0; row < y.Length; row++)
            log[row] = LogOf(probabilities.Slice(row * classes, classes), (int)y[row], 1 / Temperature, Clip);
        return answer;
    }

    /// <summary>The probabilities of the classes after clipping and temperature.</summary>
    /// <param name="prediction">[n, C], Float64 on the CPU, contiguous.</param>
    /// <returns>[n, C]. The caller owns it.</returns>
    public Tensor Probabilities(Tensor prediction)
    {
        ArgumentNullException.ThrowIfNull(prediction);
        var (rows, classes) = (prediction.size(0), (int)prediction.size(1));
        var answer = empty(rows, classes, dtype: ScalarType.Float64, device: CPU);
        var from = HostMemory.Of<double>(prediction);
        var to = HostMemory.Of<double>(answer);
        for (var row = 0; row < rows; row++)
        {
            var (sum, most) = (0.0, Clip);
            for (var place = row * classes; place < (row + 1) * classes; place++)
                most = Math.Max(most, from[place]);

            // Over the greatest one: powers of small numbers would all be 0 at a low temperature.
            for (var place = row * classes; place < (row + 1) * classes; place++)
                sum += to[place] = Math.Pow(Math.Max(from[place], Clip) / most, 1 / Temperature);
            for (var place = row * classes; place < (row + 1) * classes; place++)
                to[place] /= sum;
        }
        return answer;
    }

    /// <inheritdoc/>
    public override Tensor Variance(Tensor prediction, Tensor? trials) => throw new NotSupportedException("Classes have no variance.");

    /// <inheritdoc/>
    public override Tensor Cumulative(Tensor prediction, Tensor values, Tensor? trials) => throw new NotSupportedException("Classes have no order, and so no cumulative probabilities.");

    /// <inheritdoc/>
    public override ExpertState ToState() => new ExpertState(Kind).Set("temperature", Temperature).Set("clip", Clip).Set("estimated", _estimated);

    /// <inheritdoc/>
    public override string ToString() => Temperature == 1 ? "categorical" : $"categorical, T {NoiseNumbers.Short(Temperature)}";

    internal static CategoricalNoise FromState(ExpertState state) => new(state.Get<double>("temperature"), state.Get<double>("clip"), state.Get<bool>("estimated"));

    internal static double LogOf(ReadOnlySpan<double> probabilities, int label, double sharpness, double clip)
    {
        var (sum, most) = (0.0, clip);
        foreach (var p in probabilities)
            most = Math.Max(most, p);
        foreach (var p in probabilities)
            sum += sharpness == 1 ? Math.Max(p, clip) / most : Math.Pow(Math.Max(p, clip) / most, sharpness);
        return (sharpness * Math.Log(Math.Max(probabilities[label], clip) / most)) - Math.Log(sum);
    }
}
