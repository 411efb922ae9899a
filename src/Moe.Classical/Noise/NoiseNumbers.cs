using System.Globalization;
using System.Runtime.CompilerServices;
using Moe.Core;
using static TorchSharp.torch;

namespace Moe.Classical;

/// <summary>What the kinds of noise have in common: numbers in place, checked shapes.</summary>
internal static class NoiseNumbers
{
    /// <summary>How close to 0 a probability or a mean may come.</summary>
    public const double Clip = 1e-6;

    public static Tensor New(long rows) => empty(rows, dtype: ScalarType.Float64, device: CPU);

    public static Tensor Constant(Tensor prediction, double value)
    {
        var answer = New(Means(prediction).Length);
        HostMemory.Of<double>(answer).Fill(value);
        return answer;
    }

    /// <summary>One number from each prediction and the other number of its row (1 where there are none).</summary>
    public static Tensor Map(Tensor prediction, Tensor? others, Func<double, double, double> map)
    {
        var mean = Means(prediction);
        var other = others is null ? default : HostMemory.Of<double>(others);
        var answer = New(mean.Length);
        var result = HostMemory.Of<double>(answer);
        for (var row = 0; row < mean.Length; row++)
            result[row] = map(mean[row], other.IsEmpty ? 1 : other[row]);
        return answer;
    }

    public static ReadOnlySpan<double> Means(Tensor prediction)
    {
        ArgumentNullException.ThrowIfNull(prediction);
        if (prediction.numel() != prediction.size(0))
            throw new ArgumentException($"Expected a prediction of shape [n, 1], got [{string.Join(", ", prediction.shape)}].", nameof(prediction));
        return HostMemory.Of<double>(prediction);
    }

    public static Pairs Pair(Tensor prediction, Response response, ResponseKind kind)
    {
        ArgumentNullException.ThrowIfNull(response);
        if (response.Kind != kind)
            throw new ArgumentException($"Expected a response of kind {kind}, got {response.Kind}.", nameof(response));
        var means = Means(prediction);
        if (means.Length != response.Rows)
            throw new ArgumentException($"Expected a response for each of {means.Length} predictions, got {response.Rows}.", nameof(response));
        return new Pairs(means, HostMemory.Of<double>(response.Values));
    }

    public static ClassRows Classes(Tensor prediction, Response response)
    {
        ArgumentNullException.ThrowIfNull(prediction);
        if (response.Kind != ResponseKind.Class)
            throw new ArgumentException($"Expected a response of kind {ResponseKind.Class}, got {response.Kind}.", nameof(response));
        if (prediction.dim() != 2 || prediction.size(0) != response.Rows || prediction.size(1) != response.Classes)
            throw new ArgumentException($"Expected predictions of shape [{response.Rows}, {response.Classes}], got [{string.Join(", ", prediction.shape)}].", nameof(prediction));
        return new ClassRows(HostMemory.Of<double>(prediction), HostMemory.Of<double>(response.Values), response.Classes);
    }

    public static ReadOnlySpan<double> Weights(Tensor? weights) => weights is null ? default : HostMemory.Of<double>(weights);

    /// <summary>At least the floor, and above 0 even where the floor is not.</summary>
    public static double Floored(double scale, double floor) => Math.Max(Math.Max(scale, floor), 1e-150);

    public static void Positive(double value, string name, [CallerArgumentExpression(nameof(value))] string? expression = null)
    {
        if (!(value > 0) || double.IsInfinity(value))
            throw new ArgumentOutOfRangeException(name, value, $"{expression} must be above 0 and finite.");
    }

    public static string Short(double value) => value.ToString("G5", CultureInfo.InvariantCulture);

    /// <summary>Means and responses, row by row.</summary>
    public readonly ref struct Pairs(ReadOnlySpan<double> means, ReadOnlySpan<double> values)
    {
        private readonly ReadOnlySpan<double> _means = means;
        private readonly ReadOnlySpan<double> _values = values;

        public void Deconstruct(out ReadOnlySpan<double> means, out ReadOnlySpan<double> values)
        {
            means = _means;
            values = _values;
        }
    }

    /// <summary>Probabilities, C a row, and labels.</summary>
    public readonly ref struct ClassRows(ReadOnlySpan<double> probabilities, ReadOnlySpan<double> labels, int classes)
    {
        private readonly ReadOnlySpan<double> _probabilities = probabilities;
        private readonly ReadOnlySpan<double> _labels = labels;

        public void Deconstruct(out ReadOnlySpan<double> probabilities, out ReadOnlySpan<double> labels, out int count)
        {
            probabilities = _probabilities;
            labels = _labels;
            count = classes;
        }
    }
}
