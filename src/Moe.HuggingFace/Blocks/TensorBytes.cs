using Moe.Core;
using static TorchSharp.torch;

namespace Moe.HuggingFace;

/// <summary>The bytes of tensors that lie in the host's own memory, read into and written from in place.</summary>
internal static class TensorBytes
{
    private const int Chunk = 1 << 26;

    /// <summary>Fills a contiguous CPU tensor from a stretch of a stored one.</summary>
    public static unsafe void Read(ITensorStore store, string name, long firstByte, Tensor target)
    {
        var total = target.numel() * target.element_size();
        var memory = HostMemory.Start<byte>(target);
        for (var start = 0L; start < total; start += Chunk)
            store.Read(name, firstByte + start, new Span<byte>(memory + start, (int)Math.Min(Chunk, total - start)));
        GC.KeepAlive(target);
    }

    /// <summary>Copies a stretch of a contiguous CPU tensor.</summary>
    public static unsafe void Copy(Tensor source, long firstByte, Span<byte> target)
    {
        new ReadOnlySpan<byte>(HostMemory.Start<byte>(source) + firstByte, target.Length).CopyTo(target);
        GC.KeepAlive(source);
    }
}
