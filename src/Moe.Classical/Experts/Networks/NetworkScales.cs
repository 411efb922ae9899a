using Moe.Core;
using static TorchSharp.torch;

namespace Moe.Classical;

/// <summary>What takes inputs and real responses to mean 0 and standard deviation 1.</summary>
internal sealed record NetworkScales(double[] InputMeans, double[] InputScales, double ResponseMean, double ResponseScale)
{
    /// <summary>Weighted moments; a constant column has scale 1.</summary>
    public static NetworkScales Of(FitData data)
    {
        var width = (int)data.Width;
        var (means, scales) = (new double[width], new double[width]);
        var inputs = HostMemory.Of<double>(data.Inputs);
        for (var column = 0; column < width; column++)
            (means[column], scales[column]) = Moments(inputs, column, width, data.Weights);
        var (mean, scale) = data.Response.Kind == ResponseKind.Real ? Moments(HostMemory.Of<double>(data.Response.Values), 0, 1, data.Weights) : (0, 1);
        return new NetworkScales(means, scales, mean, scale);
    }

    /// <summary>Standardised rows, new.</summary>
    public Tensor Apply(Tensor rows)
    {
        var result = rows.clone();
        var values = HostMemory.Of<double>(result);
        for (var place = 0; place < values.Length; place++)
        {
            var column = place % InputMeans.Length;
            values[place] = (values[place] - InputMeans[column]) / InputScales[column];
        }
        return result;
    }

    private static (double Mean, double Scale) Moments(ReadOnlySpan<double> values, int start, int step, Tensor? weights)
    {
        var counts = weights is null ? [] : HostMemory.Of<double>(weights);
        var (mean, sum, squares) = (0.0, 0.0, 0.0);
        for (var (place, row) = (start, 0); place < values.Length; place += step, row++)
        {
            var weight = counts.IsEmpty ? 1 : counts[row];
            if (weight == 0)
                continue;
            sum += weight;
            var difference = values[place] - mean;
            mean += weight / sum * difference;
            squares += weight * difference * (values[place] - mean);
        }
        var scale = Math.Sqrt(Math.Max(squares / sum, 0));
        return (mean, scale > 1e-12 * Math.Abs(mean) && scale > 0 && double.IsFinite(scale) ? scale : 1);
    }
}
