using Moe.Core;
using static TorchSharp.torch;

namespace Moe.HuggingFace;

/// <summary>The two ways of decoding tensors of MXFP4. They agree to the bit, the bits of NaN apart.</summary>
internal static class Mxfp4Tensors
{
    /// <summary>A task of the host: 2 MiB of Float32, so that it stays in a core's cache.</summary>
    private const int BlocksPerTask = 1 << 14;

    /// <summary>By the host's own code, on as many threads as torch uses. For tensors on the CPU.</summary>
    /// <param name="blocks">[*, G, 16].</param>
    /// <param name="scales">[*, G].</param>
    /// <param name="type">Float32 or BFloat16.</param>
    public static unsafe Tensor OnHost(Tensor blocks, Tensor scales, ScalarType type)
    {
        using var scope = NewDisposeScope();
        var (packed, exponents) = (blocks.contiguous(), scales.contiguous());
        var numbers = empty(Shape(scales), dtype: type, device: CPU);
        var (from, by, to, count) = ((nint)HostMemory.Start<byte>(packed), (nint)HostMemory.Start<byte>(exponents), (nint)HostMemory.Start<byte>(numbers), scales.numel());
        var bytes = numbers.ElementSize * Mxfp4.BlockSize;
        HostTasks.Run((count + BlocksPerTask - 1) / BlocksPerTask, Do);
        return scope.MoveToOuter(numbers);

        void Do(long task)
        {
            var start = task * BlocksPerTask;
            var own = (int)Math.Min(BlocksPerTask, count - start);
            var source = new ReadOnlySpan<byte>((byte*)from + (start * Mxfp4.BlockBytes), own * Mxfp4.BlockBytes);
            var scale = new ReadOnlySpan<byte>((byte*)by + start, own);
            var target = (byte*)to + (start * bytes);
            if (type == ScalarType.BFloat16)
                Mxfp4Kernel.Decode(source, scale, new Span<ushort>(target, own * Mxfp4.BlockSize));
            else
                Mxfp4Kernel.Decode(source, scale, new Span<float>(target, own * Mxfp4.BlockSize));
        }
    }

    /// <summary>By torch's operations, on any device: a byte is looked up in a table of pairs, and what comes out is scaled, which is exact.</summary>
    /// <inheritdoc cref="OnHost"/>
    public static Tensor WithTorch(Tensor blocks, Tensor scales, ScalarType type)
    {
        using var scope = NewDisposeScope();
        var pairs = Table([.. Enumerable.Range(0, 256).SelectMany(code => new[] { Mxfp4Kernel.Numbers[code & 15], Mxfp4Kernel.Numbers[code >> 4] })]);
        var factors = Table([.. Enumerable.Range(0, 256).Select(Mxfp4Kernel.Scale)]);
        var numbers = Look(pairs, blocks).view(-1, Mxfp4.BlockSize);
        return scope.MoveToOuter(numbers.mul_(Look(factors, scales)).view(Shape(scales)));

        Tensor Table(float[] values) => tensor(values, [256, values.Length / 256], device: blocks.device).to(type);

        // Indices of 32 bits: those of 64 would take more memory than the numbers.
        static Tensor Look(Tensor table, Tensor codes) => table.index_select(0, codes.reshape(-1).to(ScalarType.Int32));
    }

    private static long[] Shape(Tensor scales) => [.. scales.shape[..^1], scales.size(-1) * Mxfp4.BlockSize];
}
