using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using static TorchSharp.torch;

namespace Moe.Core;

/// <summary>The numbers of tensors that lie in the host's own memory, in place: neither a copy nor a wait.</summary>
internal static class HostMemory
{
    /// <summary>All numbers, row by row.</summary>
    /// <typeparam name="T">The tensor's type of element.</typeparam>
    /// <param name="contiguousCpuTensor">Contiguous, on the CPU, less than 2 GiB. Whoever holds the span must hold the tensor too: with it, its memory goes.</param>
    public static Span<T> Of<T>(Tensor contiguousCpuTensor)
        where T : unmanaged => MemoryMarshal.Cast<byte, T>(contiguousCpuTensor.bytes);

    /// <summary>Where they begin; null if there are none.</summary>
    /// <typeparam name="T">The tensor's type of element.</typeparam>
    /// <param name="contiguousCpuTensor">Contiguous, on the CPU, of any size. Whoever holds the pointer must hold the tensor too.</param>
    public static unsafe T* Start<T>(Tensor contiguousCpuTensor)
        where T : unmanaged
    {
        if (contiguousCpuTensor.numel() * contiguousCpuTensor.ElementSize <= int.MaxValue)
            return (T*)Unsafe.AsPointer(ref MemoryMarshal.GetReference(contiguousCpuTensor.bytes));

        // A span has no place for so much: one of the first number.
        using var flat = contiguousCpuTensor.view(-1);
        using var first = flat.narrow(0, 0, 1);
        return (T*)Unsafe.AsPointer(ref MemoryMarshal.GetReference(first.bytes));
    }
}
