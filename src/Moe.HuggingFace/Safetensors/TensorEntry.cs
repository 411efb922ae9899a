namespace Moe.HuggingFace;

/// <summary>Where a tensor lies in a safetensors file.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Type">The type of its numbers.</param>
/// <param name="Shape">Its shape; empty for a single number.</param>
/// <param name="Begin">The first byte, counted from the beginning of the data.</param>
/// <param name="End">One past the last byte.</param>
public sealed record TensorEntry(string Name, ElementType Type, IReadOnlyList<long> Shape, long Begin, long End)
{
    /// <summary>Its bytes.</summary>
    public long ByteCount => End - Begin;

    /// <summary>Its numbers.</summary>
    public long ElementCount => Shape.Aggregate(1L, (product, size) => product * size);
}
