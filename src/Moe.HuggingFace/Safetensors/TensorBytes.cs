using System.Buffers;
using Moe.Core;
using static TorchSharp.torch;

namespace Moe.HuggingFace;

/// <summary>The bytes of tensors that lie in the host's own memory, read into and written from in place.</summary>
internal static class TensorBytes
{
    private const int Chunk = 1 << 26;

    /// <summary>Fills a contiguous CPU tensor from a stretch of a stored one.</summary>
    /// <param name="store">Where it is stored.</param>
    /// <param name="name">Which.</param>
    /// <param name="firstByte">Counted from the stored tensor's first.</param>
    /// <param name="target">Filled as a whole.</param>
    /// <param name="check">Sees each chunk when it is read, and its place in the target.</param>
    public static unsafe void Read(ITensorStore store, string name, long firstByte, Tensor target, ReadOnlySpanAction<byte, long>? check = null)
    {
        var total = target.numel() * target.element_size();
        var memory = HostMemory.Start<byte>(target);
        for (var start = 0L; start < total; start += Chunk)
        {
            var chunk = new Span<byte>(memory + start, (int)Math.Min(Chunk, total - start));
            store.Read(name, firstByte + start, chunk);
            check?.Invoke(chunk, start);
        }
        GC.KeepAlive(target);
    }

    /// <summary>Copies a stretch of a contiguous CPU tensor.</summary>
    public static unsafe void Copy(Tensor source, long firstByte, Span<byte> target)
    {
        new ReadOnlySpan<byte>(HostMemory.Start<byte>(source) + firstByte, target.Length).CopyTo(target);
        GC.KeepAlive(source);
    }
}
