using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace Moe.HuggingFace;

/// <summary>Decodes MXFP4 sixteen numbers at a time, by looking their bits up in the registers.</summary>
/// <remarks>
/// All numbers of one scale, as BFloat16, are two tables of 16 bytes, the low and the high halves: just what a shuffle looks up in. So infinities, subnormals and NaN are
/// entries like the others, and Float32 is BFloat16 with 16 zeros behind it.
/// </remarks>
internal static class Mxfp4Kernel
{
    /// <summary>What the codes 0 to 15 stand for at scale 1.</summary>
    public static ReadOnlySpan<float> Numbers => [0f, 0.5f, 1f, 1.5f, 2f, 3f, 4f, 6f, -0f, -0.5f, -1f, -1.5f, -2f, -3f, -4f, -6f];

    /// <summary>For each scale the low bytes of the 16 numbers, then the high ones.</summary>
    private static readonly byte[] Tables = MakeTables();

    /// <summary>2^(s - 127), NaN for 255.</summary>
    public static float Scale(int code) => code == byte.MaxValue ? float.NaN : (float)Math.ScaleB(1, code - 127);

    public static void Decode(ReadOnlySpan<byte> blocks, ReadOnlySpan<byte> scales, Span<ushort> destination)
    {
        ref var source = ref MemoryMarshal.GetReference(blocks);
        ref var target = ref MemoryMarshal.GetReference(destination);
        for (nuint block = 0; block < (nuint)scales.Length; block++)
        {
            var (low, high) = TableOf(scales[(int)block]);
            var packed = Vector128.LoadUnsafe(ref source, block * Mxfp4.BlockBytes);
            Store(Codes(Vector128.WidenLower(packed)), low, high, ref target, block * Mxfp4.BlockSize);
            Store(Codes(Vector128.WidenUpper(packed)), low, high, ref target, (block * Mxfp4.BlockSize) + 16);
        }
    }

    public static void Decode(ReadOnlySpan<byte> blocks, ReadOnlySpan<byte> scales, Span<float> destination)
    {
        ref var source = ref MemoryMarshal.GetReference(blocks);
        ref var target = ref Unsafe.As<float, uint>(ref MemoryMarshal.GetReference(destination));
        for (nuint block = 0; block < (nuint)scales.Length; block++)
        {
            var (low, high) = TableOf(scales[(int)block]);
            var packed = Vector128.LoadUnsafe(ref source, block * Mxfp4.BlockBytes);
            Store(Codes(Vector128.WidenLower(packed)), low, high, ref target, block * Mxfp4.BlockSize);
            Store(Codes(Vector128.WidenUpper(packed)), low, high, ref target, (block * Mxfp4.BlockSize) + 16);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static (Vector128<byte> Low, Vector128<byte> High) TableOf(byte scale)
    {
        ref var table = ref MemoryMarshal.GetArrayDataReference(Tables);
        return (Vector128.LoadUnsafe(ref table, scale * 32u), Vector128.LoadUnsafe(ref table, (scale * 32u) + 16));
    }

    /// <summary>Eight bytes, widened, become sixteen codes in the order of their numbers.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<byte> Codes(Vector128<ushort> bytes) =>
        ((bytes & Vector128.Create((ushort)0x000F)) | ((bytes << 4) & Vector128.Create((ushort)0x0F00))).AsByte();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Store(Vector128<byte> codes, Vector128<byte> low, Vector128<byte> high, ref ushort target, nuint place)
    {
        var (first, second) = Look(codes, low, high);
        first.StoreUnsafe(ref target, place);
        second.StoreUnsafe(ref target, place + 8);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Store(Vector128<byte> codes, Vector128<byte> low, Vector128<byte> high, ref uint target, nuint place)
    {
        var (first, second) = Look(codes, low, high);
        (Vector128.WidenLower(first) << 16).StoreUnsafe(ref target, place);
        (Vector128.WidenUpper(first) << 16).StoreUnsafe(ref target, place + 4);
        (Vector128.WidenLower(second) << 16).StoreUnsafe(ref target, place + 8);
        (Vector128.WidenUpper(second) << 16).StoreUnsafe(ref target, place + 12);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static (Vector128<ushort> First, Vector128<ushort> Second) Look(Vector128<byte> codes, Vector128<byte> low, Vector128<byte> high)
    {
        var (lows, highs) = (Vector128.ShuffleNative(low, codes), Vector128.ShuffleNative(high, codes));
        return (Vector128.WidenLower(lows) | (Vector128.WidenLower(highs) << 8), Vector128.WidenUpper(lows) | (Vector128.WidenUpper(highs) << 8));
    }

    private static byte[] MakeTables()
    {
        var tables = new byte[256 * 32];
        for (var scale = 0; scale < 256; scale++)
        {
            for (var code = 0; code < 16; code++)
            {
                // One NaN for all: which bits a product would give depends on the processor.
                var number = scale == byte.MaxValue ? 0x7FC0 : (int)(BitConverter.SingleToUInt32Bits((float)Math.ScaleB(Numbers[code], scale - 127)) >> 16);
                tables[(scale * 32) + code] = (byte)number;
                tables[(scale * 32) + 16 + code] = (byte)(number >> 8);
            }
        }
        return tables;
    }
}
