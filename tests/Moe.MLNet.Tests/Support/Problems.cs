using Moe.Classical;
using Moe.Core;
using static TorchSharp.torch;

namespace Moe.MLNet.Tests;

/// <summary>Small problems with fixed seeds.</summary>
internal static class Problems
{
    public const int Width = 3;

    public static IReadOnlyList<MLNetLearner> Learners { get; } =
    [
        MLNetLearner.FastTree(new MLNetTrees { Trees = 10, Leaves = 8 }),
        MLNetLearner.FastForest(new MLNetTrees { Trees = 10, Leaves = 8 }),
        MLNetLearner.LightGbm(new MLNetTrees { Trees = 10, Leaves = 8 }),
        MLNetLearner.Gam(new MLNetGam { Iterations = 60 }),
        MLNetLearner.Sdca(),
    ];

    public static MLNetLearner Named(string name) => Learners.Single(learner => learner.Name == name);

    /// <summary>Rows uniform in [-1, 1].</summary>
    public static Tensor Rows(int count, int seed = 1)
    {
        var random = new Random(seed);
        var numbers = new double[count * Width];
        foreach (ref var number in numbers.AsSpan())
            number = (2 * random.NextDouble()) - 1;
        return tensor(numbers).reshape(count, Width);
    }

    /// <summary>y = 3 |x₀| + x₁ + noise.</summary>
    public static FitData Regression(int count = 300, int seed = 1, Tensor? weights = null)
    {
        var rows = Rows(count, seed);
        var random = new Random(seed + 1000);
        var y = Numbers(rows).Chunk(Width).Select(row => (3 * Math.Abs(row[0])) + row[1] + (0.1 * random.NextDouble())).ToArray();
        return new FitData(rows, Response.Real(tensor(y)), weights);
    }

    /// <summary>Class 0, 1 or 2 by thirds of x₀, out of <paramref name="classes"/>.</summary>
    public static FitData Classes(int count = 300, int classes = 3, int seed = 1, Tensor? weights = null)
    {
        var rows = Rows(count, seed);
        var y = Numbers(rows).Chunk(Width).Select(row => (double)Third(row[0])).ToArray();
        return new FitData(rows, Response.Class(tensor(y), classes), weights);
    }

    public static FitData Of(ResponseKind kind, int count = 300, Tensor? weights = null) =>
        kind == ResponseKind.Class ? Classes(count, weights: weights) : Regression(count, weights: weights);

    public static int Third(double x) => x < -1.0 / 3 ? 0 : x < 1.0 / 3 ? 1 : 2;

    public static double[] Numbers(Tensor tensor) => tensor.contiguous().data<double>().ToArray();

    public static double[] Answer(IExpert expert, Tensor rows)
    {
        using var scope = NewDisposeScope();
        return Numbers(expert.forward(rows));
    }

    public static IExpert Fit(IExpertLearner learner, FitData data, long seed = 0) => learner.Fit(data, new FitContext { Seed = seed });

    public static double Worst(double[] left, double[] right) => left.Zip(right, (a, b) => Math.Abs(a - b)).Max();
}
