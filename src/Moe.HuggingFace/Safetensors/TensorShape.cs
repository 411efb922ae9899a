namespace Moe.HuggingFace;

/// <summary>How many bytes a shape takes, without any overflow on the way.</summary>
internal static class TensorShape
{
    /// <summary>More dimensions than any model has; torch itself stops at 64 in places.</summary>
    public const int MaxRank = 64;

    /// <summary>The bytes of a tensor; null if a size is negative or the product does not fit.</summary>
    /// <remarks>A size of 0 makes a tensor empty, but not its other sizes harmless: torch multiplies them for its strides. They must fit too.</remarks>
    public static long? ByteCount(IReadOnlyList<long> shape, ElementType type)
    {
        var product = (long)type.Size();
        var empty = false;
        for (var dimension = 0; dimension < shape.Count; dimension++)
        {
            var size = shape[dimension];
            if (size < 0 || (size > 0 && product > long.MaxValue / size))
                return null;
            empty |= size == 0;
            product *= Math.Max(size, 1);
        }
        return empty ? 0 : product;
    }

    /// <summary>As files write it: [2,3].</summary>
    public static string Text(IReadOnlyList<long> shape) => $"[{string.Join(',', shape)}]";
}
