using TorchSharp;
using static TorchSharp.torch;

namespace Moe.Core;

/// <summary>A way for all experts of a stack to answer their rows, which lie grouped by expert. All ways agree to rounding.</summary>
internal abstract class StackProducts
{
    /// <summary>Up to so many rows of padding for each row one batched product is faster than a product an expert, where experts have few rows (docs/performance.md).</summary>
    private const double MostPadding = 0.5;

    private const long MostRowsOfBatch = 64;

    /// <summary>How it is called in tables.</summary>
    public abstract string Name { get; }

    /// <summary>The fastest way for such rows, by device, type and shape.</summary>
    public static StackProducts For(StackedExperts stack, Tensor rows, ReadOnlySpan<long> counts)
    {
        if (rows.device_type == DeviceType.CUDA)
            return GroupedProducts.Takes(stack, rows) ? GroupedProducts.Instance : SegmentProducts.Instance;
        var most = 0L;
        foreach (var count in counts)
            most = Math.Max(most, count);
        return counts.Length > 1 && most <= MostRowsOfBatch && most * counts.Length <= (1 + MostPadding) * rows.size(0) && HostPath.Allows(rows)
            ? PaddedProducts.Instance
            : SegmentProducts.Instance;
    }

    /// <summary>Answers.</summary>
    /// <param name="stack">E experts.</param>
    /// <param name="rows">[n, D], n at least 1, of the stack's type and on its device.</param>
    /// <param name="counts">Rows of each expert, [E]; together n.</param>
    /// <returns>[n, Dout], with gradients.</returns>
    public abstract Tensor Answer(StackedExperts stack, Tensor rows, ReadOnlySpan<long> counts);
}
