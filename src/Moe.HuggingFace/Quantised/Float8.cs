namespace Moe.HuggingFace;

/// <summary>
/// The two floating-point formats of 8 bits in use (Micikevicius et al. 2022): E4M3 (numbers up to 448, NaN, no infinity: the type F8_E4M3 of safetensors) and E5M2 (up to
/// 57344, with infinities and NaN: F8_E5M2).
/// </summary>
/// <remarks>Every code is exact in Float32. Encoding rounds to the nearest number, the even one of two that are as near.</remarks>
public static class Float8
{
    /// <summary>The largest number of E4M3.</summary>
    public const float LargestE4M3 = 448;

    /// <summary>The largest number of E5M2.</summary>
    public const float LargestE5M2 = 57344;

    internal static Float8Format E4M3 { get; } = new(exponentBits: 4, largestCode: 0x7E, overflowCode: 0x7F);

    internal static Float8Format E5M2 { get; } = new(exponentBits: 5, largestCode: 0x7B, overflowCode: 0x7C);

    /// <summary>Decodes E4M3, exactly. The codes 0x7F and 0xFF are NaN.</summary>
    /// <param name="codes">One byte a number.</param>
    /// <param name="destination">As many numbers.</param>
    /// <exception cref="ArgumentException">The lengths differ.</exception>
    public static void DecodeE4M3(ReadOnlySpan<byte> codes, Span<float> destination) => E4M3.Decode(codes, destination);

    /// <summary>Decodes E5M2, exactly. The codes 0x7C and 0xFC are the infinities, those above NaN.</summary>
    /// <inheritdoc cref="DecodeE4M3"/>
    public static void DecodeE5M2(ReadOnlySpan<byte> codes, Span<float> destination) => E5M2.Decode(codes, destination);

    /// <summary>Encodes to E4M3.</summary>
    /// <param name="numbers">The numbers.</param>
    /// <param name="destination">As many bytes.</param>
    /// <param name="saturate">
    /// What becomes of numbers that round to more than 448, infinities among them: ±448 if true; if false what torch makes of them, NaN. NaN stays NaN either way.
    /// </param>
    /// <exception cref="ArgumentException">The lengths differ.</exception>
    public static void EncodeE4M3(ReadOnlySpan<float> numbers, Span<byte> destination, bool saturate = false) => E4M3.Encode(numbers, destination, saturate);

    /// <summary>Encodes to E5M2.</summary>
    /// <param name="numbers">The numbers.</param>
    /// <param name="destination">As many bytes.</param>
    /// <param name="saturate">
    /// What becomes of numbers that round to more than 57344, infinities among them: ±57344 if true; if false what torch makes of them, infinity. NaN stays NaN either way.
    /// </param>
    /// <exception cref="ArgumentException">The lengths differ.</exception>
    public static void EncodeE5M2(ReadOnlySpan<float> numbers, Span<byte> destination, bool saturate = false) => E5M2.Encode(numbers, destination, saturate);
}
