using Moe.Core;
using static TorchSharp.torch;

namespace Moe.Classical.Tests;

/// <summary>Repeats the response of the nearest row that it saw with weight: perfect on its own rows, poor on others.</summary>
internal sealed class MemoryLearner(WeightSupport weights = WeightSupport.Native) : IExpertLearner
{
    public string Name => "memory";

    public WeightSupport Weights => weights;

    public bool OverfitsOwnRows => true;

    public bool Takes(ResponseKind kind) => kind == ResponseKind.Real;

    public IExpert Fit(FitData data, FitContext context)
    {
        var inputs = data.Inputs.data<double>().ToArray();
        var values = data.Response.Values.data<double>().ToArray();
        var weight = data.Weights?.data<double>().ToArray();
        if (weights != WeightSupport.Native && weight is not null && weight.Distinct().Count() > 1)
            throw new ArgumentException("Takes no weights.", nameof(data));
        var width = (int)data.Width;
        var kept = Enumerable.Range(0, values.Length).Where(row => weight is null || weight[row] > 0.5).ToArray();
        if (kept.Length == 0)
            throw new ArgumentException("Nothing to remember.", nameof(data));
        return new DelegateExpert(width, 1, input =>
        {
            var rows = input.contiguous().data<double>().ToArray();
            var answers = new double[rows.Length / width];
            for (var row = 0; row < answers.Length; row++)
            {
                var least = double.PositiveInfinity;
                foreach (var other in kept)
                {
                    var distance = 0.0;
                    for (var column = 0; column < width; column++)
                        distance += Math.Pow(rows[(row * width) + column] - inputs[(other * width) + column], 2);
                    if (distance < least)
                        (least, answers[row]) = (distance, values[other]);
                }
            }
            return tensor(answers, [answers.Length, 1]);
        });
    }
}
