using static TorchSharp.torch;

namespace Moe.Classical.Tests;

/// <summary>Rows with classes for vector machines.</summary>
internal static class MachineData
{
    /// <summary>Clouds of variance 1, one a class, around points on a circle.</summary>
    public static FitData Clouds(int seed, int count, int classes, double radius = 2, double[]? weights = null)
    {
        var random = new Random(seed);
        var inputs = new double[count * 2];
        var labels = new double[count];
        for (var row = 0; row < count; row++)
        {
            labels[row] = row % classes;
            var angle = 2 * Math.PI * labels[row] / classes;
            inputs[2 * row] = (radius * Math.Cos(angle)) + MachineProblem.Normal(random);
            inputs[(2 * row) + 1] = (radius * Math.Sin(angle)) + MachineProblem.Normal(random);
        }
        return Of(inputs, 2, labels, classes, weights);
    }

    public static FitData Of(double[] inputs, int width, double[] labels, int classes, double[]? weights = null) =>
        new(tensor(inputs, labels.Length, width), Response.Class(tensor(labels), classes), weights is null ? null : tensor(weights));

    public static VectorMachine Machine(this FitData data, VectorMachineOptions? options = null, long seed = 0) =>
        (VectorMachine)new VectorMachineLearner(options ?? new()).Fit(data, new FitContext { Seed = seed });

    public static double[] Numbers(this Tensor tensor) => tensor.data<double>().ToArray();

    /// <summary>Mean of -log p and share of right answers.</summary>
    public static (double LogLoss, double Accuracy) Score(Tensor probabilities, Tensor labels)
    {
        var chosen = probabilities.gather(1, labels.to(ScalarType.Int64).unsqueeze(1)).log();
        return (-chosen.mean().item<double>(), probabilities.argmax(1).eq(labels.to(ScalarType.Int64)).to(ScalarType.Float64).mean().item<double>());
    }
}
