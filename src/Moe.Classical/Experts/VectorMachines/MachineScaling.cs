using Moe.Core;
using static TorchSharp.torch;

namespace Moe.Classical;

/// <summary>What a machine does to the columns before its kernel sees them: (x - shift)·factor.</summary>
internal sealed class MachineScaling(double[] shift, double[] factor)
{
    // Squares of it, summed over any number of columns, are finite.
    private const double Largest = 1e150;

    public double[] Shift => shift;

    public double[] Factor => factor;

    /// <summary>Learns it from rows [n, D] and weights whose sum is above 0.</summary>
    public static MachineScaling Of(Tensor rows, double[] weights, VectorMachineOptions options)
    {
        var width = (int)rows.size(1);
        var numbers = HostMemory.Of<double>(rows);
        var total = weights.Sum();
        var mean = new double[width];
        for (var row = 0; row < weights.Length; row++)
        {
            for (var column = 0; column < width; column++)
                mean[column] += weights[row] / total * numbers[(row * width) + column];
        }
        var factor = new double[width];
        Array.Fill(factor, 1);
        if (options.Standardise)
        {
            for (var column = 0; column < width; column++)
                factor[column] = InverseDeviation(numbers, column, mean[column], weights, total);
        }
        else if (options.Kernel == VectorMachineKernel.Polynomial)
        {
            // The other kernels' machines do not change with the origin, and squares are more exact near it.
            Array.Clear(mean);
        }
        return new MachineScaling(mean, factor);
    }

    /// <summary>Scaled rows, new.</summary>
    public Tensor Apply(Tensor rows)
    {
        var scaled = empty_like(rows);
        var source = HostMemory.Of<double>(rows);
        var target = HostMemory.Of<double>(scaled);
        for (var start = 0; start < source.Length; start += shift.Length)
        {
            for (var column = 0; column < shift.Length; column++)
                target[start + column] = factor[column] == 0 ? 0 : Math.Clamp((source[start + column] - shift[column]) * factor[column], -Largest, Largest);
        }
        return scaled;
    }

    private static double InverseDeviation(ReadOnlySpan<double> numbers, int column, double mean, double[] weights, double total)
    {
        var width = numbers.Length / weights.Length;
        var largest = 0.0;
        var distance = 0.0;
        for (var row = 0; row < weights.Length; row++)
        {
            var number = numbers[(row * width) + column];
            largest = Math.Max(largest, Math.Abs(number));
            distance = Math.Max(distance, Math.Abs(number - mean));
        }
        if (!double.IsFinite(distance))
            throw new ArgumentException($"Column {column} holds numbers of size {largest}, whose distance from their mean is beyond the range of doubles; divide it by its unit.");
        // What rounding leaves of the mean of equal numbers is no spread.
        if (distance <= 1e-13 * largest)
            return 0;
        var sum = 0.0;
        for (var row = 0; row < weights.Length; row++)
        {
            var share = (numbers[(row * width) + column] - mean) / distance;
            sum += weights[row] / total * share * share;
        }
        var inverse = 1 / (distance * Math.Sqrt(sum));
        return double.IsFinite(inverse) ? inverse : 0;
    }
}
