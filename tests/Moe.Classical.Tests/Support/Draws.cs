using static TorchSharp.torch;

namespace Moe.Classical.Tests;

/// <summary>Data drawn from known mixtures.</summary>
internal static class Draws
{
    public static double Normal(Random random) => Math.Sqrt(-2 * Math.Log(1 - random.NextDouble())) * Math.Cos(2 * Math.PI * random.NextDouble());

    /// <summary>Two crossing lines with a gate at 0: inputs [n, 1] and real responses.</summary>
    public static FitData TwoLines(int rows, int seed, double noise = 0.3)
    {
        var random = new Random(seed);
        var (x, y) = (new double[rows], new double[rows]);
        for (var row = 0; row < rows; row++)
        {
            x[row] = (4 * random.NextDouble()) - 2;
            var first = random.NextDouble() < 1 / (1 + Math.Exp(4 * x[row]));
            y[row] = (first ? -1 - (2 * x[row]) : 1 + (3 * x[row])) + (noise * Normal(random));
        }
        return new FitData(tensor(x, [rows, 1]), Response.Real(tensor(y)));
    }

    /// <summary>Two logistic curves, 12 trials a row.</summary>
    public static FitData TwoCurves(int rows, int seed)
    {
        var random = new Random(seed);
        var (x, won) = (new double[rows], new double[rows]);
        for (var row = 0; row < rows; row++)
        {
            x[row] = (4 * random.NextDouble()) - 2;
            var linear = random.NextDouble() < 1 / (1 + Math.Exp(-0.5 + x[row])) ? -1.5 + x[row] : 1.5 - (0.5 * x[row]);
            for (var trial = 0; trial < 12; trial++)
                won[row] += random.NextDouble() < 1 / (1 + Math.Exp(-linear)) ? 1 : 0;
        }
        return new FitData(tensor(x, [rows, 1]), Response.Binomial(tensor(won), full(rows, 12.0, dtype: ScalarType.Float64)));
    }

    /// <summary>Counts around two exponential curves, the gate at 0.</summary>
    public static FitData TwoCounts(int rows, int seed)
    {
        var random = new Random(seed);
        var (x, y) = (new double[rows], new double[rows]);
        for (var row = 0; row < rows; row++)
        {
            x[row] = (4 * random.NextDouble()) - 2;
            var mean = Math.Exp(random.NextDouble() < 1 / (1 + Math.Exp(3 * x[row])) ? 2 + (0.5 * x[row]) : 0.5 - (0.3 * x[row]));
            for (var left = Math.Exp(-mean); ; y[row]++)
            {
                left /= 1 - random.NextDouble();
                if (left >= 1)
                    break;
            }
        }
        return new FitData(tensor(x, [rows, 1]), Response.Count(tensor(y)));
    }
}
