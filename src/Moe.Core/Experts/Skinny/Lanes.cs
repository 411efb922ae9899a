using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics.Arm;
using System.Runtime.Intrinsics.X86;

namespace Moe.Core;

/// <summary>A vector register of float32 and the memory it is filled from: all that the kernels for few rows know of the machine.</summary>
/// <remarks>Memory is the caller's, and of any alignment unless said otherwise.</remarks>
internal static unsafe class Lanes
{
    /// <summary>
    /// Floats between what is used and what the memory is asked for: 32 KB, of which the second cache holds many times as much. Asking for nearer things, or for the
    /// first cache, took up to twice as long on Zen 4.
    /// </summary>
    public const int Ahead = 8192;

    /// <summary>Floats in a register.</summary>
    public static int Count => Vector<float>.Count;

    /// <summary>Whether the machine multiplies and adds in one instruction. Where it does not, the kernels are right, but far too slow to be of use.</summary>
    public static bool AreFast => Vector.IsHardwareAccelerated && (Fma.IsSupported || AdvSimd.IsSupported);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector<float> Load(float* source) => Unsafe.ReadUnaligned<Vector<float>>(source);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store(float* target, Vector<float> value) => Unsafe.WriteUnaligned(target, value);

    /// <summary>Writes past the caches to an address that is a multiple of a register's size. <see cref="Fence"/> makes it visible to other threads.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Stream(float* target, Vector<float> value) => value.StoreAlignedNonTemporal(target);

    /// <summary>Ends a sequence of <see cref="Stream"/>.</summary>
    public static void Fence()
    {
        if (Sse.IsSupported)
            Sse.StoreFence();
        else
            Interlocked.MemoryBarrier();
    }

    /// <summary>a · b + sum, rounded once, as <see cref="MathF.FusedMultiplyAdd"/> does: an entry has the same bits in a register and in a tail.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector<float> Add(Vector<float> a, Vector<float> b, Vector<float> sum) => Vector.FusedMultiplyAdd(a, b, sum);

    /// <summary>Asks for the cache line at an address, which may be any, to be in the second cache. A machine without the instruction is asked for nothing.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Prefetch(float* address)
    {
        if (Sse.IsSupported)
            Sse.Prefetch1(address);
    }
}
