using Moe.Core;
using static TorchSharp.torch;

namespace Moe.Classical;

/// <summary>Weighted mean and standard deviation of each column; 1 for the deviation of a column that does not vary.</summary>
internal sealed record WeightedScaling(double[] Mean, double[] Deviation)
{
    /// <summary>Changes nothing.</summary>
    public static WeightedScaling None(int width) => new(new double[width], [.. Enumerable.Repeat(1.0, width)]);

    /// <summary>Of a matrix [n, D] or a column [n]; weights null for equal ones.</summary>
    public static WeightedScaling Of(Tensor matrix, Tensor? weights)
    {
        var width = matrix.dim() == 1 ? 1 : (int)matrix.size(1);
        var values = HostMemory.Of<double>(matrix);
        var shares = weights is null ? default : HostMemory.Of<double>(weights);
        var (mean, deviation) = (new double[width], new double[width]);
        var total = 0.0;
        for (var row = 0; row < values.Length / width; row++)
        {
            var weight = weights is null ? 1 : shares[row];
            if (weight == 0)
                continue;

            // West's update: no squares of large numbers are taken.
            total += weight;
            for (var column = 0; column < width; column++)
            {
                var step = values[(row * width) + column] - mean[column];
                mean[column] += step * weight / total;
                deviation[column] += weight * step * (values[(row * width) + column] - mean[column]);
            }
        }
        for (var column = 0; column < width; column++)
        {
            deviation[column] = Math.Sqrt(deviation[column] / total);
            if (!(deviation[column] > 1e-12 * Math.Abs(mean[column])) || !double.IsFinite(1 / deviation[column]))
                deviation[column] = 1;
        }
        return new WeightedScaling(mean, deviation);
    }

    /// <summary>(x - mean) / deviation, new and contiguous.</summary>
    public Tensor Apply(Tensor matrix) => matrix.sub(tensor(Mean)).div_(tensor(Deviation)).contiguous();
}
