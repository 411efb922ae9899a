using static TorchSharp.torch;

namespace Moe.Classical.Tests;

/// <summary>Made-up rows for trees.</summary>
internal static class TreeData
{
    public static double[] Numbers(Random random, int count, Func<Random, double> next) => [.. Enumerable.Range(0, count).Select(_ => next(random))];

    public static Tensor Matrix(double[] values, int width) => tensor(values).reshape(-1, width);

    /// <summary>Rows of normal numbers, of which the first two columns explain the response.</summary>
    public static FitData Rows(int seed, int count, int width, ResponseKind kind, double[]? weights = null)
    {
        var random = new Random(seed);
        var inputs = Numbers(random, count * width, r => Math.Round(r.NextDouble() * 10, 3));
        var values = new double[count];
        for (var row = 0; row < count; row++)
        {
            var signal = inputs[row * width] + (inputs[(row * width) + Math.Min(1, width - 1)] > 5 ? 4 : 0) + random.NextDouble();
            values[row] = kind == ResponseKind.Real ? signal : Math.Min(2, Math.Floor(signal / 5));
        }
        return new FitData(Matrix(inputs, width), kind == ResponseKind.Real ? Response.Real(tensor(values)) : Response.Class(tensor(values), 3), weights is null ? null : tensor(weights));
    }

    public static double[] Answers(Moe.Core.IExpert expert, Tensor rows)
    {
        using var answers = expert.forward(rows);
        return answers.data<double>().ToArray();
    }

    public static double Accuracy(Tensor probabilities, Tensor labels)
    {
        using var scope = NewDisposeScope();
        return probabilities.argmax(1).eq(labels.to(ScalarType.Int64)).to(ScalarType.Float64).mean().item<double>();
    }

    public static double LogLoss(Tensor probabilities, Tensor labels)
    {
        using var scope = NewDisposeScope();
        return -probabilities.gather(1, labels.to(ScalarType.Int64).unsqueeze(1)).log().mean().item<double>();
    }
}
