using Moe.Core;
using static TorchSharp.torch;

namespace Moe.Classical;

/// <summary>Means of predictions over the members of a bag that did not see the row.</summary>
internal sealed class OutOfBagMeans(long rows, int width)
{
    private readonly double[] _sums = new double[rows * width];
    private readonly int[] _counts = new int[rows];

    /// <summary>Adds one member's answers.</summary>
    /// <param name="outside">The rows it did not see.</param>
    /// <param name="answers">[m, Dout] for these rows.</param>
    public void Add(ReadOnlySpan<long> outside, ReadOnlySpan<double> answers)
    {
        for (var place = 0; place < outside.Length; place++)
        {
            var row = (int)outside[place];
            _counts[row]++;
            for (var k = 0; k < width; k++)
                _sums[(row * width) + k] += answers[(place * width) + k];
        }
    }

    /// <summary>
    /// [n, Dout]. A row that every member saw gets what is known without it and without inputs: the weighted mean of the other rows' responses, which is rare (0.632 to
    /// the power of the number of members).
    /// </summary>
    public Tensor Means(FitData data)
    {
        var means = new double[_sums.Length];
        double[]? totals = null;
        var weightOfAll = 0.0;
        for (var row = 0; row < _counts.Length; row++)
        {
            if (_counts[row] == 0 && totals is null)
                (totals, weightOfAll) = Totals(data);
            var weight = _counts[row] == 0 ? weightOfAll - Weight(data, row) : 0;
            for (var k = 0; k < width; k++)
            {
                var place = (row * width) + k;
                if (_counts[row] > 0)
                    means[place] = _sums[place] / _counts[row];
                else
                    means[place] = weight > 1e-12 * weightOfAll ? (totals![k] - (Weight(data, row) * Target(data.Response, row, k))) / weight : Unknown(data.Response, row, k);
            }
        }
        return tensor(means, rows, width);
    }

    /// <summary>Where no other row has weight: chance, or the row's own response.</summary>
    private static double Unknown(Response response, int row, int k) => response.Kind switch
    {
        ResponseKind.Class => 1.0 / response.Width,
        ResponseKind.Trials => 0.5,
        _ => Target(response, row, k),
    };

    private (double[] Totals, double Weight) Totals(FitData data)
    {
        var (totals, sum) = (new double[width], 0.0);
        for (var row = 0; row < _counts.Length; row++)
        {
            sum += Weight(data, row);
            for (var k = 0; k < width; k++)
                totals[k] += Weight(data, row) * Target(data.Response, row, k);
        }
        return (totals, sum);
    }

    private static double Weight(FitData data, int row) => data.Weights is { } weights ? HostMemory.Of<double>(weights)[row] : 1;

    private static double Target(Response response, int row, int k)
    {
        var value = HostMemory.Of<double>(response.Values)[row];
        return response.Kind switch
        {
            ResponseKind.Class => value == k ? 1 : 0,
            ResponseKind.Trials => value / HostMemory.Of<double>(response.Trials!)[row],
            _ => value,
        };
    }
}
