using Moe.Core;
using static TorchSharp.torch;

namespace Moe.Classical;

/// <summary>The distributions that a mixture gives some rows, whose experts are asked once.</summary>
internal sealed class MixtureDistribution
{
    private readonly FittedMixture _mixture;
    private readonly Tensor _gates;
    private readonly Tensor[] _means;
    private readonly Tensor[] _variances;
    private readonly Tensor? _trials;
    private readonly Tensor _rows;

    /// <summary>Asks gate and experts. The tensors belong to the caller's dispose scope, which has to outlive this.</summary>
    public MixtureDistribution(FittedMixture mixture, Tensor rows, Tensor? trials)
    {
        _mixture = mixture;
        Rows = (int)rows.size(0);
        _trials = trials;
        _rows = rows;
        _gates = mixture.LogGates(rows).exp();
        _means = [.. mixture.Components.Select(component => FittedMixture.Answer(component, rows))];
        _variances = [.. mixture.Components.Select((component, expert) => VarianceOf(component, rows, _means[expert], trials))];
    }

    public int Rows { get; }

    /// <summary>The smallest and the greatest mean of an expert, and the greatest standard deviation, of each row.</summary>
    public (double[] Least, double[] Most, double[] Spread) Ranges()
    {
        var (least, most, spread) = (new double[Rows], new double[Rows], new double[Rows]);
        for (var expert = 0; expert < _means.Length; expert++)
        {
            var mean = HostMemory.Of<double>(_means[expert]);
            var variance = HostMemory.Of<double>(_variances[expert]);
            for (var row = 0; row < Rows; row++)
            {
                least[row] = expert == 0 ? mean[row] : Math.Min(least[row], mean[row]);
                most[row] = expert == 0 ? mean[row] : Math.Max(most[row], mean[row]);
                spread[row] = Math.Max(spread[row], Math.Sqrt(variance[row]));
            }
        }
        return (least, most, spread);
    }

    /// <summary>Σ g (variance + mean²) - (Σ g mean)², about the mean so that nothing cancels.</summary>
    public void Variance(Span<double> answer)
    {
        var gates = HostMemory.Of<double>(_gates);
        var experts = _means.Length;
        var trials = _trials is null ? default : HostMemory.Of<double>(_trials);
        for (var row = 0; row < Rows; row++)
        {
            var scale = trials.IsEmpty ? 1 : trials[row];
            var (centre, sum) = (0.0, 0.0);
            for (var expert = 0; expert < experts; expert++)
                centre += gates[(row * experts) + expert] * HostMemory.Of<double>(_means[expert])[row] * scale;
            for (var expert = 0; expert < experts; expert++)
            {
                var gate = gates[(row * experts) + expert];
                var away = (HostMemory.Of<double>(_means[expert])[row] * scale) - centre;
                sum += gate > 0 ? gate * (HostMemory.Of<double>(_variances[expert])[row] + (away * away)) : 0;
            }

            // Far from the rows of the fit means can be finite where their squares are not.
            answer[row] = Math.Min(sum, double.MaxValue);
        }
    }

    /// <summary>P(response ≤ value) of each row.</summary>
    public void Cumulative(Tensor values, Span<double> answer)
    {
        using var scope = NewDisposeScope();
        answer.Clear();
        var gates = HostMemory.Of<double>(_gates);
        var experts = _means.Length;
        for (var expert = 0; expert < experts; expert++)
        {
            using var inner = NewDisposeScope();
            var part = HostMemory.Of<double>(CumulativeOf(expert, values));
            for (var row = 0; row < Rows; row++)
                answer[row] += gates[(row * experts) + expert] * part[row];
        }
    }

    private Tensor CumulativeOf(int expert, Tensor values)
    {
        if (_mixture.Components[expert].Noise is { } noise)
            return noise.Cumulative(_means[expert], values, _trials);
        if (_mixture.Components[expert] is { Expert: FittedMixture inner } nested)
            return inner.Cumulative(FittedMixture.SeenBy(nested, _rows), values, _trials);

        // Of another density only mean and variance are known: the normal one that has them.
        var answer = empty(Rows, dtype: ScalarType.Float64, device: CPU);
        var result = HostMemory.Of<double>(answer);
        var value = HostMemory.Of<double>(values);
        var mean = HostMemory.Of<double>(_means[expert]);
        var variance = HostMemory.Of<double>(_variances[expert]);
        for (var row = 0; row < Rows; row++)
            result[row] = DistributionFunctions.Normal((value[row] - mean[row]) / Math.Sqrt(variance[row]));
        return answer;
    }

    private static Tensor VarianceOf(MixtureComponent component, Tensor rows, Tensor mean, Tensor? trials)
    {
        if (component.Noise is { } noise)
            return noise.Variance(mean, trials);
        if (component.Expert is FittedMixture inner)
            return inner.Variance(FittedMixture.SeenBy(component, rows), trials);
        return component.Expert is IVarianceExpert expert
            ? expert.PredictVariance(FittedMixture.SeenBy(component, rows))
            : throw new NotSupportedException($"Expert \"{component.Name}\" has a density of its own, but neither noise nor a variance ({nameof(IVarianceExpert)}).");
    }
}
