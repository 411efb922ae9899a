using static TorchSharp.torch;

namespace Moe.HuggingFace;

/// <summary>Tensors over the file itself.</summary>
internal static class TensorMapping
{
    /// <summary>Maps a file from its beginning to the end of a tensor, and shows the tensor alone.</summary>
    /// <param name="path">The file.</param>
    /// <param name="entry">Which tensor.</param>
    /// <param name="place">Its first byte in the file: a multiple of its numbers' size, which is why the file can be taken for numbers from byte 0 on.</param>
    public static Tensor Of(string path, TensorEntry entry, long place)
    {
        var type = entry.Type.ToTorch();
        long[] shape = [.. entry.Shape];

        // No system maps nothing.
        if (entry.ByteCount == 0)
            return empty(shape, type, CPU);

        using var scope = NewDisposeScope();
        var size = entry.Type.Size();
        var file = from_file(path, shared: false, (place + entry.ByteCount) / size, type, CPU);
        return scope.MoveToOuter(file.narrow(0, place / size, entry.ByteCount / size).view(shape));
    }
}
