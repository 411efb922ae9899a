using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace Moe.HuggingFace;

/// <summary>Decodes a row of 8-bit integers sixteen at a time, in one pass whatever the type.</summary>
internal static class Int8Kernel
{
    private const int Step = 16;

    public static void Decode(ReadOnlySpan<sbyte> codes, float scale, Span<float> destination)
    {
        ref var source = ref MemoryMarshal.GetReference(codes);
        ref var target = ref MemoryMarshal.GetReference(destination);
        var place = 0;
        for (; place <= codes.Length - Step; place += Step)
        {
            var (a, b, c, d) = Numbers(ref source, place, scale);
            a.StoreUnsafe(ref target, (nuint)place);
            b.StoreUnsafe(ref target, (nuint)place + 4);
            c.StoreUnsafe(ref target, (nuint)place + 8);
            d.StoreUnsafe(ref target, (nuint)place + 12);
        }
        for (; place < codes.Length; place++)
            destination[place] = codes[place] * scale;
    }

    /// <summary>To the bits of BFloat16, the Float32 product rounded to the nearest, the even one of two that are as near.</summary>
    public static void Decode(ReadOnlySpan<sbyte> codes, float scale, Span<ushort> destination)
    {
        // A NaN whose bits are all ones would be carried over to zero.
        scale = float.IsNaN(scale) ? float.NaN : scale;
        ref var source = ref MemoryMarshal.GetReference(codes);
        ref var target = ref MemoryMarshal.GetReference(destination);
        var place = 0;
        for (; place <= codes.Length - Step; place += Step)
        {
            var (a, b, c, d) = Numbers(ref source, place, scale);
            Vector128.Narrow(Rounded(a), Rounded(b)).StoreUnsafe(ref target, (nuint)place);
            Vector128.Narrow(Rounded(c), Rounded(d)).StoreUnsafe(ref target, (nuint)place + 8);
        }
        for (; place < codes.Length; place++)
            destination[place] = (ushort)Rounded(Vector128.Create(codes[place] * scale)).ToScalar();
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static (Vector128<float> A, Vector128<float> B, Vector128<float> C, Vector128<float> D) Numbers(ref sbyte source, int place, float scale)
    {
        var codes = Vector128.LoadUnsafe(ref source, (nuint)place);
        var (low, high) = (Vector128.WidenLower(codes), Vector128.WidenUpper(codes));
        var factor = Vector128.Create(scale);
        return (
            Vector128.ConvertToSingle(Vector128.WidenLower(low)) * factor, Vector128.ConvertToSingle(Vector128.WidenUpper(low)) * factor,
            Vector128.ConvertToSingle(Vector128.WidenLower(high)) * factor, Vector128.ConvertToSingle(Vector128.WidenUpper(high)) * factor);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<uint> Rounded(Vector128<float> numbers)
    {
        var bits = numbers.AsUInt32();
        return (bits + Vector128.Create(0x7FFFu) + ((bits >> 16) & Vector128<uint>.One)) >> 16;
    }
}
