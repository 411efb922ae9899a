namespace Moe.HuggingFace;

/// <summary>A tensor that is to be written: all but its numbers.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Type">The type of its numbers.</param>
/// <param name="Shape">Its shape; empty for a single number.</param>
public sealed record TensorDescription(string Name, ElementType Type, IReadOnlyList<long> Shape)
{
    /// <summary>The description of a tensor that lies in a file.</summary>
    /// <param name="entry">Where it lies.</param>
    /// <returns>The same without the place.</returns>
    public static TensorDescription Of(TensorEntry entry)
    {
        ArgumentNullException.ThrowIfNull(entry);
        return new(entry.Name, entry.Type, entry.Shape);
    }
}
