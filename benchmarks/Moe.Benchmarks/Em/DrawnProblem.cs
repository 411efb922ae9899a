using Moe.Classical;
using static TorchSharp.torch;

namespace Moe.Benchmarks.Em;

/// <summary>Problems of any size.</summary>
internal static class DrawnProblem
{
    /// <summary>Two lines under a gate along the first column, with a start that is half right.</summary>
    public static EmProblem Lines(int rows, int columns)
    {
        var random = new Random(1);
        var inputs = new double[rows * columns];
        var (values, start) = (new double[rows], new double[rows * 2]);
        for (var row = 0; row < rows; row++)
        {
            var own = inputs.AsSpan(row * columns, columns);
            var sum = 0.0;
            foreach (ref var value in own)
            {
                value = Normal(random);
                sum += value;
            }
            var second = random.NextDouble() < 1 / (1 + Math.Exp(-2 * own[0]));
            values[row] = (second ? 1 + sum : -1 - (0.5 * sum)) + (0.7 * Normal(random));
            start[row * 2] = second ? 0.4 : 0.6;
            start[(row * 2) + 1] = 1 - start[row * 2];
        }
        int[] all = [.. Enumerable.Range(0, columns)];
        return new EmProblem(new FitData(tensor(inputs, rows, columns), Response.Real(tensor(values))), 2, new LinearLearner(), all, all, tensor(start, rows, 2));
    }

    /// <summary>Three regimes by the sector of the first two columns of four: a line, a step, a wave.</summary>
    public static FitData Regimes(int rows)
    {
        var random = new Random(2);
        var inputs = new double[rows * 4];
        var values = new double[rows];
        for (var row = 0; row < rows; row++)
        {
            var x = inputs.AsSpan(row * 4, 4);
            foreach (ref var value in x)
                value = (2 * random.NextDouble()) - 1;
            var (left, right) = ((-Math.Sqrt(0.75) * x[0]) - (0.5 * x[1]), (Math.Sqrt(0.75) * x[0]) - (0.5 * x[1]));
            var mean = x[1] > Math.Max(left, right) ? (4 * x[2]) - (3 * x[3]) + 2
                : right > left ? (x[2] > 0.1 ? 3 : -3) + (x[3] > -0.3 ? 2 : 0)
                : 3 * Math.Sin((4 * x[2]) + x[3]);
            values[row] = mean + (0.3 * Normal(random));
        }
        return new FitData(tensor(inputs, rows, 4), Response.Real(tensor(values)));
    }

    private static double Normal(Random random) => Math.Sqrt(-2 * Math.Log(1 - random.NextDouble())) * Math.Cos(2 * Math.PI * random.NextDouble());
}
