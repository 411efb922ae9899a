using static TorchSharp.torch;

namespace Moe.Classical.Tests;

/// <summary>Small real data from a seed.</summary>
internal static class Waves
{
    public static (double[,] Inputs, double[] Response) Numbers(int rows, int width, int seed)
    {
#pragma warning disable CA1814, CA5394 // Test data need no secrecy, and are rectangular.
        var random = new Random(seed);
        var inputs = new double[rows, width];
        var response = new double[rows];
        for (var row = 0; row < rows; row++)
        {
            for (var column = 0; column < width; column++)
                inputs[row, column] = (random.NextDouble() * 4) - 2;
            response[row] = Math.Sin(2 * inputs[row, 0]) + (0.2 * random.NextDouble()) + 3;
        }
#pragma warning restore CA1814, CA5394
        return (inputs, response);
    }

    public static FitData Make(int rows, int width, int seed, double[]? weights = null)
    {
        var (inputs, response) = Numbers(rows, width, seed);
        return new FitData(tensor(inputs), Response.Real(tensor(response)), weights is null ? null : tensor(weights));
    }

    /// <summary>Uneven weights, none of them 0.</summary>
    public static double[] Weights(int rows) => [.. Enumerable.Range(0, rows).Select(row => 0.5 + (row % 4))];

    public static double[] Doubles(Tensor values) => values.contiguous().data<double>().ToArray();

    public static Tensor Others(long rows, long without) => tensor(Enumerable.Range(0, (int)rows).Where(row => row != without).Select(row => (long)row).ToArray());
}
