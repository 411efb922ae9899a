using System.Runtime.Intrinsics;

namespace Moe.Core;

/// <summary>The products of an expert's rows with its weights, Float32, each by the loops that are fastest for so many rows.</summary>
/// <remarks>The limits were measured on Zen 4 (docs/performance.md); on either side of one both ways are about as fast.</remarks>
internal static unsafe class RowProducts
{
    /// <summary>From so many rows on, it pays to lay the weights out as panels; sooner where rows are long, since then those that loops go over again and again leave the second cache.</summary>
    private const int ManyRows = 112;

    private const int ManyNumbers = 3 << 15;

    private static readonly int ManyForGradients = Vector512.IsHardwareAccelerated ? 20 : 48;

    /// <summary>Whether so many rows of a width are worth panels.</summary>
    public static bool AreMany(int rows, int width) => rows >= ManyRows || (long)rows * width >= ManyNumbers;

    /// <summary>What a range of weight rows should be a multiple of: what tiles or panels take, and no part of a cache line of output.</summary>
    public static int UnitFor(int rows, int width) => AreMany(rows, width) ? PanelTile.MostColumns : 48;

    /// <summary>What a range of rows of a gradient should be a multiple of.</summary>
    public static int UnitForGradients(int rows) => rows < ManyForGradients ? 48 : PanelProducts.Block;

    /// <inheritdoc cref="DotProducts.Multiply"/>
    public static void WithTransposed(float** rows, int count, float* weight, int width, int from, int to, float* output, nint outputStride)
    {
        if (!AreMany(count, width))
            DotProducts.Multiply(rows, count, weight, width, from, to, output, outputStride);
        else
            PanelProducts.WithTransposed(rows, count, weight, width, from, to, output, outputStride);
    }

    /// <inheritdoc cref="WeightedSums.Multiply"/>
    public static void With(float** a, int count, float* weight, int height, int width, int from, int to, float* output, nint outputStride)
    {
        if (count <= WeightedSums.Most)
            WeightedSums.Multiply(a, count, weight, height, width, from, to, output, outputStride);
        else
            PanelProducts.With(a, count, weight, height, width, from, to, output, outputStride);
    }

    /// <inheritdoc cref="OuterProducts.Sum"/>
    public static void Gradient(float** a, float** rows, int count, int width, int from, int to, float* gradient)
    {
        if (count < ManyForGradients)
            OuterProducts.Sum(a, rows, count, width, from, to, gradient);
        else
            PanelProducts.Gradient(a, rows, count, width, from, to, gradient);
    }
}
