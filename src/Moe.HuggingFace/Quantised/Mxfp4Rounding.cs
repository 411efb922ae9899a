namespace Moe.HuggingFace;

/// <summary>Rounds blocks of numbers to MXFP4.</summary>
internal static class Mxfp4Rounding
{
    /// <summary>The exponent of the largest number that 4 bits hold, 6 = 1½ · 2².</summary>
    private const int LargestExponent = 2;

    /// <summary>Encodes one block.</summary>
    /// <returns>The code of its scale.</returns>
    public static byte Encode(ReadOnlySpan<float> numbers, Span<byte> block)
    {
        var largest = 0f;
        foreach (var number in numbers)
            largest = float.MaxMagnitude(largest, number);
        if (!float.IsFinite(largest))
        {
            block.Clear();
            return byte.MaxValue;
        }

        // In double, where no Float32 is subnormal and no scale of the format is out of range.
        var exponent = largest == 0 ? -127 : Math.Max(Math.ILogB((double)largest) - LargestExponent, -127);
        var reciprocal = Math.ScaleB(1, -exponent);
        for (var place = 0; place < block.Length; place++)
            block[place] = (byte)(Code(numbers[2 * place] * reciprocal) | (Code(numbers[(2 * place) + 1] * reciprocal) << 4));
        return (byte)(exponent + 127);
    }

    /// <summary>The nearest of the 16 numbers; halfway, the one with an even code. A zero keeps its sign.</summary>
    private static int Code(double number)
    {
        var size = Math.Abs(number);
        var code = size switch
        {
            <= 0.25 => 0,
            < 0.75 => 1,
            <= 1.25 => 2,
            < 1.75 => 3,
            <= 2.5 => 4,
            < 3.5 => 5,
            <= 5 => 6,
            _ => 7,
        };
        return double.IsNegative(number) ? code | 8 : code;
    }
}
