using static TorchSharp.torch;

namespace Moe.Classical.Tests;

/// <summary>Rows for gradient training.</summary>
internal static class GradientCases
{
    /// <summary>|x₁| with a little noise: one line on each side of 0. Inputs [n, width].</summary>
    public static FitData Bent(int count, int width)
    {
        var random = new Random(11);
        var (x, y) = (new double[count * width], new double[count]);
        for (var row = 0; row < count; row++)
        {
            for (var column = 0; column < width; column++)
                x[(row * width) + column] = (random.NextDouble() * 4) - 2;
            y[row] = Math.Abs(x[row * width]) + (0.2 * (random.NextDouble() + random.NextDouble() + random.NextDouble() - 1.5));
        }
        return new FitData(tensor(x, [count, width]), Response.Real(tensor(y)));
    }

    /// <summary>Two lines far apart, of which one is the more probable the greater x is, but never sure: the gate's slope has a finite maximum. Inputs [n, 1].</summary>
    public static FitData Overlapping(int count)
    {
        var random = new Random(4);
        var (x, y) = (new double[count], new double[count]);
        for (var row = 0; row < count; row++)
        {
            x[row] = (random.NextDouble() * 4) - 2;
            var mean = random.NextDouble() < 1 / (1 + Math.Exp(-1.5 * x[row])) ? 2 + x[row] : -2 - (0.5 * x[row]);
            y[row] = mean + (0.4 * (random.NextDouble() + random.NextDouble() + random.NextDouble() - 1.5));
        }
        return new FitData(tensor(x, [count, 1]), Response.Real(tensor(y)));
    }

    /// <summary>A rule holds below -1, a step between, a wave above 1. Inputs [n, 1].</summary>
    public static FitData ThreeKinds(int count, int seed)
    {
        var random = new Random(seed);
        var (x, y) = (new double[count], new double[count]);
        for (var row = 0; row < count; row++)
        {
            x[row] = (random.NextDouble() * 6) - 3;
            var mean = x[row] < -1 ? 4 + (2 * x[row]) : x[row] < 1 ? (Math.Floor(x[row] * 2) is -2 or 0 ? 3 : -3) : 1.5 * (x[row] - 2) * (x[row] - 2);
            y[row] = mean + (0.2 * (random.NextDouble() + random.NextDouble() - 1));
        }
        return new FitData(tensor(x, [count, 1]), Response.Real(tensor(y)));
    }

    public static NetworkLearner Line() => new((width, outputs) => nn.Linear(width, outputs));

    public static NetworkLearner Hidden(int units = 8) => new((width, outputs) => nn.Sequential(nn.Linear(width, units), nn.Tanh(), nn.Linear(units, outputs)));
}
