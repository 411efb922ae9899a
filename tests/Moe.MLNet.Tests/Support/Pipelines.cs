using System.Diagnostics.CodeAnalysis;
using Microsoft.ML;
using Microsoft.ML.Data;

namespace Moe.MLNet.Tests;

/// <summary>A row of a pipeline.</summary>
public sealed class Sample
{
    [VectorType(3)]
    [SuppressMessage("Performance", "CA1819:Properties should not return arrays", Justification = "ML.NET reads vectors as arrays.")]
    public float[] Features { get; set; } = [];

    public float Label { get; set; }

    public string Name { get; set; } = "";

    public bool Truth { get; set; }

    public float Weight { get; set; } = 1;
}

/// <summary>What a pipeline answers.</summary>
public sealed class Answer
{
    public float Score { get; set; }

    public float Probability { get; set; }

    public bool PredictedLabel { get; set; }
}

/// <summary>Data for pipelines with a mixture in them: y = 3 |x₀| + x₁, named by thirds of x₀.</summary>
internal static class Pipelines
{
    private static readonly string[] Names = ["low", "middle", "high"];

    public static MLContext Context { get; } = new(1);

    public static Halves.Learner Learner { get; } = new(MLNetLearner.Sdca());

    public static Sample[] Samples(int count = 200, int seed = 3)
    {
        var random = new Random(seed);
        return
        [
            .. Enumerable.Range(0, count).Select(_ =>
            {
                float[] x = [(2 * random.NextSingle()) - 1, (2 * random.NextSingle()) - 1, (2 * random.NextSingle()) - 1];
                return new Sample { Features = x, Label = (3 * Math.Abs(x[0])) + x[1], Name = Names[Problems.Third(x[0])], Truth = x[0] + x[1] > 0, Weight = random.NextSingle() };
            }),
        ];
    }

    public static IDataView View(IEnumerable<Sample> samples) => Context.Data.LoadFromEnumerable(samples);

    public static T[] Column<T>(IDataView view, string name) => [.. view.GetColumn<T>(name)];
}
