using System.Diagnostics;
using static TorchSharp.torch;

namespace Moe.Benchmarks.Ratios;

/// <summary>What the device can do for a row: the time of its FLOPs as one dense product, and the rate at which memory is read.</summary>
internal sealed record Ceilings(double ProductMs, double BytesPerMs)
{
    // 256 MB: far more than caches hold. As a matrix it is read once by a product with a vector.
    private const int Side = 8192;

    /// <summary>The better of both: the stricter floor.</summary>
    public Ceilings Better(Ceilings other) => new(Math.Min(ProductMs, other.ProductMs), Math.Max(BytesPerMs, other.BytesPerMs));

    public static Ceilings Measure(RatioCase row, MeasuringDevice device)
    {
        using var noGrad = no_grad();
        return new Ceilings(Product(row, device), Math.Max(ReadRate(ScalarType.Float32, device), row.Type == ScalarType.Float32 ? 0 : ReadRate(row.Type, device)));
    }

    /// <summary>[T, D] x [D, 3 · K · F], the forward pass's 2 · 3 · T · D · K · F operations; the fastest of its orientations.</summary>
    private static double Product(RatioCase row, MeasuringDevice device)
    {
        using var scope = NewDisposeScope();
        var tokens = randn(row.Tokens, row.Layer.Hidden, dtype: row.Type, device: device.Torch);
        var weights = randn((long)LayerShape.Matrices * row.Layer.TopK * row.Layer.Ffn, row.Layer.Hidden, dtype: row.Type, device: device.Torch);
        List<Func<Tensor>> orientations = [() => nn.functional.linear(tokens, weights), () => weights.mm(tokens.t())];
        if (row.Tokens == 1)
        {
            var token = tokens[0];
            orientations.Add(() => weights.mv(token));
        }
        return orientations.Min(product => Time(TimeSpan.FromSeconds(0.3), product, device).Median);
    }

    /// <summary>The best that any of several ways reaches.</summary>
    private static double ReadRate(ScalarType type, MeasuringDevice device)
    {
        using var scope = NewDisposeScope();
        // Written, not only mapped: pages that nobody wrote to are all one page, which stays in the cache.
        var buffer = ones(Side, Side, dtype: type, device: device.Torch);
        var halves = buffer.view(-1).chunk(2);
        var vector = ones(Side, dtype: type, device: device.Torch);
        Func<Tensor>[] ways = [() => buffer.sum(), () => buffer.mv(vector), () => halves[0].dot(halves[1])];
        return buffer.numel() * buffer.element_size() / ways.Min(read => Time(TimeSpan.FromSeconds(0.1), read, device).Low);
    }

    /// <summary>After a first call at least two, and as many as fit into the time, up to 100.</summary>
    private static Quartiles Time(TimeSpan limit, Func<Tensor> compute, MeasuringDevice device)
    {
        compute().Dispose();
        device.Synchronize();
        var samples = new List<double>();
        var begin = Stopwatch.GetTimestamp();
        while (samples.Count < 2 || (samples.Count < 100 && Stopwatch.GetElapsedTime(begin) < limit))
        {
            var start = Stopwatch.GetTimestamp();
            compute().Dispose();
            device.Synchronize();
            samples.Add(Stopwatch.GetElapsedTime(start).TotalMilliseconds);
        }
        return Quartiles.Of(samples);
    }
}
