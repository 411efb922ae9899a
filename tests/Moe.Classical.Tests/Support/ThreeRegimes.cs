using static TorchSharp.torch;

namespace Moe.Classical.Tests;

/// <summary>
/// A problem of three regimes in four inputs: by the sector of the plane of the first two, the response is linear, a step, or a wave in the other two. No one model
/// suits all three; the regime itself is easy to tell. The noise has a standard deviation of 0.3.
/// </summary>
internal static class ThreeRegimes
{
    public const double Noise = 0.3;

    /// <summary>n rows by a seed: inputs [n, 4] between -1 and 1, and responses [n].</summary>
    public static (Tensor Inputs, Tensor Values) Draw(int rows, int seed)
    {
        var random = new Random(seed);
        var inputs = new double[rows * 4];
        var values = new double[rows];
        for (var row = 0; row < rows; row++)
        {
            for (var column = 0; column < 4; column++)
                inputs[(row * 4) + column] = (2 * random.NextDouble()) - 1;
            values[row] = Mean(inputs.AsSpan(row * 4, 4)) + (Noise * Normal(random));
        }
        return (tensor(inputs, rows, 4), tensor(values));
    }

    /// <summary>Three sectors of the plane of the first two inputs.</summary>
    public static int Regime(double first, double second)
    {
        double[] along = [second, (Math.Sqrt(0.75) * first) - (0.5 * second), (-Math.Sqrt(0.75) * first) - (0.5 * second)];
        return Array.IndexOf(along, along.Max());
    }

    private static double Mean(ReadOnlySpan<double> row) => Regime(row[0], row[1]) switch
    {
        0 => (4 * row[2]) - (3 * row[3]) + 2,
        1 => (row[2] > 0.1 ? 3.0 : -3.0) + (row[3] > -0.3 ? 2.0 : 0.0),
        _ => 3 * Math.Sin((4 * row[2]) + row[3]),
    };

    private static double Normal(Random random) =>
        Math.Sqrt(-2 * Math.Log(1 - random.NextDouble())) * Math.Cos(2 * Math.PI * random.NextDouble());
}
