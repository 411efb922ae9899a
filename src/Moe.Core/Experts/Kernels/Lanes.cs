using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
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

    /// <summary>Writes two registers one after the other, past the caches or not.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Write(float* target, Vector<float> first, Vector<float> second, bool streams)
    {
        if (streams)
        {
            Stream(target, first);
            Stream(target + Count, second);
        }
        else
        {
            Store(target, first);
            Store(target + Count, second);
        }
    }

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

    /// <summary>Makes four columns of four rows: target[d · stride + i] = rowᵢ[d] for d in [0, length).</summary>
    public static void Transpose(float* row0, float* row1, float* row2, float* row3, int length, float* target, nint stride)
    {
        var d = 0;
        for (; (Sse.IsSupported || AdvSimd.Arm64.IsSupported) && d + 4 <= length; d += 4, target += 4 * stride)
        {
            Vector128<float> a = Vector128.Load(row0 + d), b = Vector128.Load(row1 + d), c = Vector128.Load(row2 + d), e = Vector128.Load(row3 + d);
            // a0 c0 a1 c1, b0 e0 b1 e1, …: interleaved twice.
            Vector128<float> acLow = Low(a, c), acHigh = High(a, c), beLow = Low(b, e), beHigh = High(b, e);
            Low(acLow, beLow).Store(target);
            High(acLow, beLow).Store(target + stride);
            Low(acHigh, beHigh).Store(target + (2 * stride));
            High(acHigh, beHigh).Store(target + (3 * stride));
        }
        for (; d < length; d++, target += stride)
            (target[0], target[1], target[2], target[3]) = (row0[d], row1[d], row2[d], row3[d]);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<float> Low(Vector128<float> a, Vector128<float> b) => Sse.IsSupported ? Sse.UnpackLow(a, b) : AdvSimd.Arm64.ZipLow(a, b);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<float> High(Vector128<float> a, Vector128<float> b) => Sse.IsSupported ? Sse.UnpackHigh(a, b) : AdvSimd.Arm64.ZipHigh(a, b);
}
