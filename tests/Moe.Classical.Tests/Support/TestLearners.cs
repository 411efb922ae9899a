using Moe.Core;
using static TorchSharp.torch;

namespace Moe.Classical.Tests;

/// <summary>Answers the mean response of the row it saw that equals the asked one; 1e6 for rows it did not see.</summary>
internal sealed class Memoriser : IExpertLearner
{
    public string Name => "memoriser";

    public WeightSupport Weights { get; init; } = WeightSupport.Native;

    public bool OverfitsOwnRows => true;

    public bool Takes(ResponseKind kind) => kind == ResponseKind.Real;

    public IExpert Fit(FitData data, FitContext context)
    {
        var seen = new Dictionary<double, double>();
        for (var row = 0; row < data.Rows; row++)
            seen[data.Inputs[row, 0].item<double>()] = data.Response.Values[row].item<double>();
        return new Memory(data.Width, seen);
    }

    private sealed class Memory(long width, Dictionary<double, double> seen) : ClassicalExpert(width, 1)
    {
        protected override Tensor Predict(Tensor rows) =>
            tensor(Enumerable.Range(0, (int)rows.size(0)).Select(row => seen.GetValueOrDefault(rows[row, 0].item<double>(), 1e6)).ToArray(), rows.size(0), 1);
    }
}

/// <summary>Answers the same numbers to every row.</summary>
internal sealed class Fixed(long inputWidth, params double[] answer) : ClassicalExpert(inputWidth, answer.Length), IStoredExpert
{
    public ExpertState ToState() => new ExpertState("test-fixed").Set("inputs", InputWidth).Set("answer", answer);

    public static Fixed Read(ExpertState state) => new(state.Get<long>("inputs"), state.Get<double[]>("answer"));

    protected override Tensor Predict(Tensor rows) => tensor(answer).unsqueeze(0).repeat(rows.size(0), 1);
}

/// <summary>Small data sets.</summary>
internal static class Rows
{
    /// <summary>y = 1 + 2 x₀ - x₁ + noise.</summary>
    public static FitData Linear(int count, double noise, long seed = 1)
    {
        var draws = new DrawSequence(seed);
        var (x, y) = (new double[count * 2], new double[count]);
        for (var row = 0; row < count; row++)
        {
            (x[row * 2], x[(row * 2) + 1]) = (draws.Uniform() * 4, draws.Uniform());
            y[row] = 1 + (2 * x[row * 2]) - x[(row * 2) + 1] + (noise * (draws.Uniform() - 0.5));
        }
        return new FitData(tensor(x, count, 2), Response.Real(tensor(y)));
    }

    /// <summary>Three classes by the first column.</summary>
    public static FitData Classes(int count, long seed = 1)
    {
        var draws = new DrawSequence(seed);
        var (x, y) = (new double[count * 2], new double[count]);
        for (var row = 0; row < count; row++)
        {
            (x[row * 2], x[(row * 2) + 1]) = (draws.Uniform() * 3, draws.Uniform());
            y[row] = Math.Floor(x[row * 2]);
        }
        return new FitData(tensor(x, count, 2), Response.Class(tensor(y), 3));
    }
}
