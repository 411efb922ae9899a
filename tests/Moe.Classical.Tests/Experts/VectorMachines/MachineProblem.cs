namespace Moe.Classical.Tests;

/// <summary>A two-class problem for the dual solver, rows of the first class first, with all that is needed to judge a solution.</summary>
internal sealed class MachineProblem
{
    private MachineProblem(double[][] kernel, double[] upper, double[] lower)
    {
        Kernel = kernel;
        Upper = upper;
        Lower = lower;
    }

    public double[][] Kernel { get; }

    public double[] Upper { get; }

    public double[] Lower { get; }

    public int Count => Upper.Length;

    public static MachineProblem Of(double[][] rows, bool[] first, double[] costs, Func<double[], double[], double> kernel)
    {
        var matrix = rows.Select(row => rows.Select(other => kernel(row, other)).ToArray()).ToArray();
        return new MachineProblem(matrix, [.. costs.Select((cost, row) => first[row] ? cost : 0)], [.. costs.Select((cost, row) => first[row] ? 0 : -cost)]);
    }

    public static MachineProblem Random(int seed, int count, double cost)
    {
        var random = new Random(seed);
        var rows = Enumerable.Range(0, count).Select(_ => new[] { Normal(random), Normal(random) }).ToArray();
        var first = Enumerable.Range(0, count).Select(row => row < 2 ? row == 0 : rows[row][0] + Normal(random) > 0).ToArray();
        return Of(rows, first, [.. rows.Select(_ => cost * (0.1 + random.NextDouble()))], (one, other) => Rbf(one, other, 0.5));
    }

    public static double Rbf(double[] one, double[] other, double gamma) => Math.Exp(-gamma * one.Zip(other, (a, b) => (a - b) * (a - b)).Sum());

    public static double Product(double[] one, double[] other) => one.Zip(other, (a, b) => a * b).Sum();

    public static double Normal(Random random) => Math.Sqrt(-2 * Math.Log(1 - random.NextDouble())) * Math.Cos(2 * Math.PI * random.NextDouble());

    public DualSolution Solve(double tolerance = 1e-8, int maxIterations = 1_000_000, long cacheBytes = 1 << 20, CancellationToken cancellation = default) =>
        DualSolver.Solve(
            new KernelRowCache(
                [.. Enumerable.Range(0, Count).Select(row => Kernel[row][row])],
                (row, target) => Kernel[row].CopyTo(target, 0),
                cacheBytes),
            Upper, Lower, tolerance, maxIterations, cancellation);

    /// <summary>y - Kβ.</summary>
    public double[] Gradient(double[] beta) =>
        [.. Enumerable.Range(0, Count).Select(row => Label(row) - Enumerable.Range(0, Count).Sum(other => Kernel[row][other] * beta[other]))];

    /// <summary>Σ yβ - ½ βᵀKβ.</summary>
    public double Objective(double[] beta)
    {
        var gradient = Gradient(beta);
        return Enumerable.Range(0, Count).Sum(row => 0.5 * beta[row] * (Label(row) + gradient[row]));
    }

    /// <summary>Slow and sure: steps along the gradient, each followed by the nearest point that obeys the constraints.</summary>
    public double[] ByProjectedGradient(int steps)
    {
        var size = 1 / Enumerable.Range(0, Count).Sum(row => Kernel[row][row]);
        var beta = new double[Count];
        for (var step = 0; step < steps; step++)
        {
            var gradient = Gradient(beta);
            beta = Project([.. beta.Select((value, row) => value + (size * gradient[row]))]);
        }
        return beta;
    }

    public double Label(int row) => Upper[row] > 0 ? 1 : -1;

    private double[] Project(double[] point)
    {
        double low = point.Min() - Upper.Max() - 1, high = point.Max() - Lower.Min() + 1;
        double[] Shifted(double shift) => [.. point.Select((value, row) => Math.Clamp(value - shift, Lower[row], Upper[row]))];
        for (var halving = 0; halving < 100; halving++)
        {
            var middle = (low + high) / 2;
            if (Shifted(middle).Sum() > 0)
                low = middle;
            else
                high = middle;
        }
        return Shifted((low + high) / 2);
    }
}
