using System.Numerics;
using System.Runtime.InteropServices;

namespace Moe.Classical;

/// <summary>Inner and outer products of short rows.</summary>
internal static class Products
{
    /// <summary>Σ a b.</summary>
    public static double Dot(ReadOnlySpan<double> left, ReadOnlySpan<double> right)
    {
        var (sum, place) = (0.0, 0);
        if (left.Length >= 2 * Vector<double>.Count)
        {
            var lanes = Vector<double>.Zero;
            for (; place <= left.Length - Vector<double>.Count; place += Vector<double>.Count)
                lanes += new Vector<double>(left[place..]) * new Vector<double>(right[place..]);
            sum = Vector.Sum(lanes);
        }
        for (; place < left.Length; place++)
            sum += left[place] * right[place];
        return sum;
    }

    /// <summary>target += scale · source.</summary>
    public static void AddScaled(Span<double> target, ReadOnlySpan<double> source, double scale)
    {
        var place = 0;
        if (source.Length >= 2 * Vector<double>.Count)
        {
            for (; place <= source.Length - Vector<double>.Count; place += Vector<double>.Count)
                (new Vector<double>(target[place..]) + (scale * new Vector<double>(source[place..]))).CopyTo(target[place..]);
        }
        for (; place < source.Length; place++)
            target[place] += scale * source[place];
    }

    /// <summary>The upper triangle of a square matrix += scale · row rowᵀ.</summary>
    public static void Add(Span<double> matrix, ReadOnlySpan<double> row, double scale)
    {
        var width = row.Length;
        if (width >= 4 * Vector<double>.Count)
        {
            for (var first = 0; first < width; first++)
                AddScaled(matrix.Slice((first * width) + first, width - first), row[first..], scale * row[first]);
            return;
        }
        ref var values = ref MemoryMarshal.GetReference(row);
        for (var first = 0; first < width; first++)
        {
            var left = scale * row[first];
            var target = matrix.Slice((first * width) + first, width - first);
            for (var column = 0; column < target.Length; column++)
                target[column] += left * System.Runtime.CompilerServices.Unsafe.Add(ref values, first + column);
        }
    }
}
