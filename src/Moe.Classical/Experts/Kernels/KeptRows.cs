using Moe.Core;
using static TorchSharp.torch;

namespace Moe.Classical;

/// <summary>The rows of a fit that a dense kernel matrix is made of.</summary>
internal static class KeptRows
{
    /// <summary>Rows of less than this share of the mean weight are left out.</summary>
    private const double Least = 1e-6;

    /// <summary>Places of the rows of notable weight, ascending; if they are more than the most, those of the highest weight, ties by a shuffle.</summary>
    public static int[] Of(FitData data, int most, long seed)
    {
        var rows = (int)data.Rows;
        var weights = data.Weights is null ? [.. Enumerable.Repeat(1.0, rows)] : HostMemory.Of<double>(data.Weights).ToArray();
        var positive = weights.Count(weight => weight > 0);
        var floor = weights.Sum() / positive * Least;
        var kept = Enumerable.Range(0, rows).Where(row => weights[row] >= floor && weights[row] > 0).ToArray();
        return Most(kept, row => weights[row], most, seed);
    }

    /// <summary>At most so many of the places, those of the highest weight, ties by a shuffle; ascending.</summary>
    public static int[] Most(int[] places, Func<int, double> weight, int most, long seed)
    {
        if (places.Length <= most)
            return places;
#pragma warning disable CA5394 // A choice of rows needs no secrecy.
        var random = new Random(unchecked((int)(seed ^ (seed >> 32))));
        var shuffled = places.ToArray();
        random.Shuffle(shuffled);
#pragma warning restore CA5394
        return [.. shuffled.OrderByDescending(weight).Take(most).Order()];
    }

    /// <summary>As an index tensor.</summary>
    public static Tensor Index(int[] places) => tensor(places.Select(place => (long)place).ToArray());

    /// <summary>Weights of the places over their mean.</summary>
    public static double[] Normalised(FitData data, int[] places)
    {
        if (data.Weights is null)
            return [.. Enumerable.Repeat(1.0, places.Length)];
        var all = HostMemory.Of<double>(data.Weights);
        var weights = new double[places.Length];
        for (var place = 0; place < places.Length; place++)
            weights[place] = all[places[place]];
        var most = weights.Max();
        var mean = weights.Sum(weight => weight / most) / weights.Length;
        return [.. weights.Select(weight => weight / most / mean)];
    }
}
