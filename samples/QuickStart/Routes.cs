using Moe.Core;
using static TorchSharp.torch;

namespace QuickStart;

/// <summary>Which experts of one mixture answered which images: those of the fold it was not trained on.</summary>
internal sealed class Routes
{
    private Routes()
    {
    }

    public required RoutingReport Report { get; init; }

    /// <summary>The images' rows in the data.</summary>
    public required int[] Rows { get; init; }

    /// <summary>The digit the mixture takes each image for.</summary>
    public required long[] Predicted { get; init; }

    /// <summary>The gate's weights, [image][expert]; those of an image sum to 1.</summary>
    public required double[][] Weights { get; init; }

    /// <summary>The mean weight of each expert among the images of each digit, [expert][digit]; those of a digit sum to 1.</summary>
    public required double[][] ByDigit { get; init; }

    /// <summary>The experts in the order of the digit that each is asked about most, so that tables and pictures show a diagonal.</summary>
    public int[] ExpertsInOrder =>
        [.. Enumerable.Range(0, ByDigit.Length).OrderBy(expert => Array.IndexOf(ByDigit[expert], ByDigit[expert].Max()))];

    public static Routes Of(MixtureOfExperts mixture, Digits digits, int[] rows, Device device)
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        mixture.eval();
        using var answer = mixture.ForwardWithRouting(digits.Take(rows).Inputs.to(device));
        var routing = answer.Routing;

        // [T, K] choices and weights, spread out to [T, E].
        var spread = zeros_like(routing.Scores).scatter(1, routing.Indices, routing.Weights).cpu();
        var flat = spread.data<float>().ToArray();
        double[][] weights = [.. flat.Chunk(routing.ExpertCount).Select(row => Array.ConvertAll(row, weight => (double)weight))];
        return new Routes
        {
            Report = RoutingReport.From(routing),
            Rows = rows,
            Predicted = answer.Output.argmax(-1).cpu().data<long>().ToArray(),
            Weights = weights,
            ByDigit = [.. Enumerable.Range(0, routing.ExpertCount).Select(expert => Enumerable.Range(0, Digits.Classes)
                .Select(digit => Enumerable.Range(0, rows.Length).Where(image => digits.Labels[rows[image]] == digit).Average(image => weights[image][expert]))
                .ToArray())],
        };
    }
}
