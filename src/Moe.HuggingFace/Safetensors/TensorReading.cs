using static TorchSharp.torch;

namespace Moe.HuggingFace;

/// <summary>Whole tensors out of stores.</summary>
internal static class TensorReading
{
    /// <summary>What a store says of a tensor.</summary>
    /// <exception cref="KeyNotFoundException">There is none of that name.</exception>
    public static TensorEntry Entry(this ITensorStore store, string name, string path)
    {
        ArgumentNullException.ThrowIfNull(name);
        return store.Entries.TryGetValue(name, out var entry) ? entry : throw new KeyNotFoundException($"{path} has no tensor \"{name}\".");
    }

    /// <summary>Reads into the memory of a new tensor.</summary>
    public static Tensor ReadWhole(this ITensorStore store, string name, string path)
    {
        var entry = store.Entry(name, path);
        var tensor = empty([.. entry.Shape], entry.Type.ToTorch(), CPU);
        try
        {
            LargePages.Request(tensor);
            TensorBytes.Read(store, name, 0, tensor, entry.Type == ElementType.Bool ? (bytes, place) => RequireBools(bytes, name, place, path) : null);
            return tensor;
        }
        catch
        {
            tensor.Dispose();
            throw;
        }
    }

    /// <summary>Whether all bytes are numbers of type BOOL: torch's kernels take it for granted.</summary>
    /// <exception cref="InvalidDataException">One is neither 0 nor 1.</exception>
    public static void RequireBools(ReadOnlySpan<byte> bytes, string name, long place, string path)
    {
        if (bytes.IndexOfAnyExceptInRange((byte)0, (byte)1) is >= 0 and var wrong)
            throw HeaderParser.Broken(path, name, $"is of type BOOL, but its byte {place + wrong} is {bytes[wrong]}, neither 0 nor 1");
    }
}
