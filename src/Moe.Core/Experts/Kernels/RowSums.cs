using System.Numerics;
using System.Runtime.CompilerServices;
using static Moe.Core.Lanes;

namespace Moe.Core;

/// <summary>Sums of weighted rows in Float32, of rows in Float32 or BFloat16.</summary>
/// <remarks>A BFloat16 is the upper half of a Float32. Entries at the end of a row have the bits of all others.</remarks>
internal static unsafe class RowSums
{
    /// <summary>sum = weight · row where it is the first, and sum + weight · row, rounded once, where it is not. The sum may be the row.</summary>
    public static void Add(float* row, float weight, int width, float* sum, bool first)
    {
        var (j, factor) = (0, new Vector<float>(weight));
        for (; j + Count <= width; j += Count)
            Store(sum + j, first ? factor * Load(row + j) : Lanes.Add(factor, Load(row + j), Load(sum + j)));
        for (; j < width; j++)
            sum[j] = first ? weight * row[j] : MathF.FusedMultiplyAdd(weight, row[j], sum[j]);
    }

    /// <inheritdoc cref="Add(float*, float, int, float*, bool)"/>
    public static void Add(ushort* row, float weight, int width, float* sum, bool first)
    {
        var (j, factor) = (0, new Vector<float>(weight));
        for (; j + (2 * Count) <= width; j += 2 * Count)
        {
            Vector.Widen(Unsafe.ReadUnaligned<Vector<ushort>>(row + j), out var low, out var high);
            Vector<float> a = Vector.AsVectorSingle(low << 16), b = Vector.AsVectorSingle(high << 16);
            Store(sum + j, first ? factor * a : Lanes.Add(factor, a, Load(sum + j)));
            Store(sum + j + Count, first ? factor * b : Lanes.Add(factor, b, Load(sum + j + Count)));
        }
        for (; j < width; j++)
        {
            var value = BitConverter.UInt32BitsToSingle((uint)row[j] << 16);
            sum[j] = first ? weight * value : MathF.FusedMultiplyAdd(weight, value, sum[j]);
        }
    }

    /// <summary>Rounds to the nearest BFloat16, of two as near to the even one; NaN stays NaN.</summary>
    public static void Round(float* sum, int width, ushort* row)
    {
        var j = 0;
        for (; j + (2 * Count) <= width; j += 2 * Count)
            Unsafe.WriteUnaligned(row + j, Vector.Narrow(Rounded(Load(sum + j)), Rounded(Load(sum + j + Count))));
        for (; j < width; j++)
        {
            var bits = BitConverter.SingleToUInt32Bits(sum[j]);
            row[j] = (ushort)(float.IsNaN(sum[j]) ? 0x7FC0 : (bits + 0x7FFF + ((bits >> 16) & 1)) >> 16);
        }
    }

    /// <summary>What is cut off counts as a half or more where adding 0x7FFF, or 0x8000 to what is odd, carries.</summary>
    private static Vector<uint> Rounded(Vector<float> value)
    {
        var bits = Vector.AsVectorUInt32(value);
        var upper = (bits + new Vector<uint>(0x7FFF) + ((bits >> 16) & Vector<uint>.One)) >> 16;
        return Vector.ConditionalSelect(Vector.AsVectorUInt32(Vector.IsNaN(value)), new(0x7FC0), upper);
    }
}
