using System.Numerics;
using System.Runtime.InteropServices;
using static TorchSharp.torch;

namespace Moe.Core;

/// <summary>The K largest of each row, best first. On the host, of equal keys the one that stands first comes first, and NaN counts as -∞.</summary>
internal static class LargestOfRow
{
    /// <summary>So many columns are turned at once.</summary>
    private const int Strip = 64;

    /// <summary>Where they stand.</summary>
    /// <param name="keys">[*, E], Float32 or Float64; no gradient is wanted.</param>
    /// <param name="choices">K, 1 to E.</param>
    /// <returns>[*, K], Int64.</returns>
    public static Tensor Of(Tensor keys, int choices)
    {
        if (!HostPath.Allows(keys))
            return keys.topk(choices, dim: -1, largest: true, sorted: true).indexes;
        var places = keys.dim() == 2
            ? empty(keys.size(0), choices, dtype: ScalarType.Int64, device: keys.device)
            : empty([.. keys.shape[..^1], choices], dtype: ScalarType.Int64, device: keys.device);
        var rows = keys.is_contiguous() ? keys : keys.contiguous();
        var width = (int)keys.size(-1);
        if (keys.dtype == ScalarType.Float64)
            Fill(HostMemory.Of<double>(rows), width, HostMemory.Of<long>(places), choices);
        else
            Fill(HostMemory.Of<float>(rows), width, HostMemory.Of<long>(places), choices);
        GC.KeepAlive(rows);
        return places;
    }

    private static void Fill<T>(ReadOnlySpan<T> keys, int width, Span<long> places, int choices)
        where T : unmanaged, IBinaryFloatingPointIeee754<T>
    {
        var (lanes, rows, row) = (Vector<T>.Count, places.Length / choices, 0);
        if (rows >= lanes)
        {
            Span<T> turned = stackalloc T[Strip * lanes];
            var best = choices <= Strip ? stackalloc Vector<T>[choices] : new Vector<T>[choices];
            var experts = choices <= Strip ? stackalloc Vector<T>[choices] : new Vector<T>[choices];
            for (; row <= rows - lanes; row += lanes)
                ChooseInLanes(keys.Slice(row * width, lanes * width), turned, best, experts, places.Slice(row * choices, lanes * choices));
        }
        var few = choices <= Strip ? stackalloc T[choices] : new T[choices];
        for (; row < rows; row++)
            Choose(keys.Slice(row * width, width), few, places.Slice(row * choices, choices));
    }

    /// <summary>One row: the best so far in order, into which each key that is better than the last of them is put.</summary>
    private static void Choose<T>(ReadOnlySpan<T> keys, Span<T> best, Span<long> places)
        where T : unmanaged, IBinaryFloatingPointIeee754<T>
    {
        for (var expert = 0; expert < keys.Length; expert++)
        {
            var key = T.IsNaN(keys[expert]) ? T.NegativeInfinity : keys[expert];
            var at = Math.Min(expert, best.Length);
            if (at == best.Length && !(key > best[--at]))
                continue;
            for (; at > 0 && key > best[at - 1]; at--)
                (best[at], places[at]) = (best[at - 1], places[at - 1]);
            (best[at], places[at]) = (key, expert);
        }
    }

    /// <summary>The same for as many rows as a vector has lanes, a row in each: nothing branches on what a single key is.</summary>
    private static void ChooseInLanes<T>(ReadOnlySpan<T> keys, Span<T> turned, Span<Vector<T>> best, Span<Vector<T>> experts, Span<long> places)
        where T : unmanaged, IBinaryFloatingPointIeee754<T>
    {
        var (lanes, width) = (Vector<T>.Count, keys.Length / Vector<T>.Count);
        for (var start = 0; start < width; start += Strip)
        {
            var columns = Math.Min(Strip, width - start);
            for (var lane = 0; lane < lanes; lane++)
            {
                var row = keys.Slice(lane * width + start, columns);
                for (var column = 0; column < row.Length; column++)
                    turned[column * lanes + lane] = row[column];
            }
            var strip = MemoryMarshal.Cast<T, Vector<T>>(turned);
            for (var column = 0; column < columns; column++)
                Insert(strip[column], start + column, best, experts);
        }
        var chosen = MemoryMarshal.Cast<Vector<T>, T>(experts);
        for (var at = 0; at < places.Length; at++)
            places[at] = long.CreateTruncating(chosen[at % best.Length * lanes + at / best.Length]);
    }

    /// <summary>Lets a key sink: each one on the way that it beats sinks on in its stead, and the last falls out.</summary>
    private static void Insert<T>(Vector<T> keys, int expert, Span<Vector<T>> best, Span<Vector<T>> experts)
        where T : unmanaged, IBinaryFloatingPointIeee754<T>
    {
        var sinking = Vector.ConditionalSelect(Vector.IsNaN(keys), new Vector<T>(T.NegativeInfinity), keys);
        var place = new Vector<T>(T.CreateChecked(expert));
        if (expert >= best.Length && !Vector.GreaterThanAny(sinking, best[^1]))
            return;
        var beats = Vector<T>.Zero;
        for (var at = 0; at < best.Length && at < expert; at++)
        {
            // What has been beaten stood before all that follow, its equals too.
            beats = Vector.BitwiseOr(beats, Vector.GreaterThan(sinking, best[at]));
            (best[at], sinking) = (Vector.ConditionalSelect(beats, sinking, best[at]), Vector.ConditionalSelect(beats, best[at], sinking));
            (experts[at], place) = (Vector.ConditionalSelect(beats, place, experts[at]), Vector.ConditionalSelect(beats, experts[at], place));
        }
        if (expert < best.Length)
            (best[expert], experts[expert]) = (sinking, place);
    }
}
