using Moe.Core;
using static TorchSharp.torch;

namespace Moe.HuggingFace;

/// <summary>Whole tensors out of stores.</summary>
internal static class TensorReading
{
    private const int Piece = 1 << 26;

    /// <summary>What a store says of a tensor.</summary>
    /// <exception cref="KeyNotFoundException">There is none of that name.</exception>
    public static TensorEntry Entry(this ITensorStore store, string name, string path)
    {
        ArgumentNullException.ThrowIfNull(name);
        return store.Entries.TryGetValue(name, out var entry) ? entry : throw new KeyNotFoundException($"{path} has no tensor \"{name}\".");
    }

    /// <summary>Reads piece by piece into the memory of a new tensor.</summary>
    public static unsafe Tensor ReadWhole(this ITensorStore store, string name, string path)
    {
        var entry = store.Entry(name, path);
        var tensor = empty([.. entry.Shape], entry.Type.ToTorch(), CPU);
        try
        {
            var start = HostMemory.Start<byte>(tensor);
            for (long done = 0; done < entry.ByteCount;)
            {
                var piece = new Span<byte>(start + done, (int)Math.Min(Piece, entry.ByteCount - done));
                store.Read(name, done, piece);
                if (entry.Type == ElementType.Bool)
                    RequireBools(piece, name, done, path);
                done += piece.Length;
            }
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
