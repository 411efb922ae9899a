namespace Moe.HuggingFace;

/// <summary>Tensors by name that can be read piece by piece: a file, or a folder of shards.</summary>
public interface ITensorStore
{
    /// <summary>What is there, by name.</summary>
    IReadOnlyDictionary<string, TensorEntry> Entries { get; }

    /// <summary>Reads bytes of one tensor.</summary>
    /// <param name="name">Which.</param>
    /// <param name="firstByte">Counted from the tensor's first.</param>
    /// <param name="destination">Filled as a whole.</param>
    /// <exception cref="KeyNotFoundException">There is no such tensor.</exception>
    /// <exception cref="ArgumentOutOfRangeException">The piece is not inside the tensor.</exception>
    /// <exception cref="IOException">The file cannot be read, or has become shorter.</exception>
    void Read(string name, long firstByte, Span<byte> destination);
}
