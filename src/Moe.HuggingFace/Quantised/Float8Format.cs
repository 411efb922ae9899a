namespace Moe.HuggingFace;

/// <summary>A floating-point format of 8 bits: sign, exponent with the usual bias, mantissa.</summary>
internal sealed class Float8Format
{
    private const byte NaNCode = 0x7F;

    private readonly int _mantissaBits;
    private readonly int _bias;
    private readonly byte _largestCode;
    private readonly byte _overflowCode;
    private readonly float[] _numbers;

    /// <summary>Makes the format.</summary>
    /// <param name="exponentBits">Of the 7 that are not the sign.</param>
    /// <param name="largestCode">The last code that is a finite number.</param>
    /// <param name="overflowCode">The first that is none: infinity, or NaN in a format without one.</param>
    public Float8Format(int exponentBits, byte largestCode, byte overflowCode)
    {
        _mantissaBits = 7 - exponentBits;
        _bias = (1 << (exponentBits - 1)) - 1;
        (_largestCode, _overflowCode) = (largestCode, overflowCode);
        _numbers = [.. Enumerable.Range(0, 256).Select(Number)];
    }

    /// <summary>What the codes 0 to 255 stand for.</summary>
    public ReadOnlySpan<float> Numbers => _numbers;

    public void Decode(ReadOnlySpan<byte> codes, Span<float> destination)
    {
        RequireLengths(codes.Length, destination.Length);
        var numbers = Numbers;
        for (var place = 0; place < codes.Length; place++)
            destination[place] = numbers[codes[place]];
    }

    public void Encode(ReadOnlySpan<float> numbers, Span<byte> destination, bool saturate)
    {
        RequireLengths(destination.Length, numbers.Length);
        for (var place = 0; place < numbers.Length; place++)
            destination[place] = Encode(numbers[place], saturate);
    }

    public byte Encode(float number, bool saturate)
    {
        var sign = float.IsNegative(number) ? 0x80 : 0;
        if (float.IsNaN(number))
            return (byte)(sign | NaNCode);
        var code = float.IsInfinity(number) ? _overflowCode : Math.Min(Round(Math.Abs((double)number)), _overflowCode);
        return (byte)(sign | (saturate ? Math.Min(code, _largestCode) : code));
    }

    /// <summary>Counts in steps of the last place. A carry into the next exponent is the next code, too.</summary>
    private int Round(double size)
    {
        var exponent = size == 0 ? 1 - _bias : Math.Max(Math.ILogB(size), 1 - _bias);
        var steps = (int)Math.Round(Math.ScaleB(size, _mantissaBits - exponent), MidpointRounding.ToEven);
        return ((exponent + _bias - 1) << _mantissaBits) + steps;
    }

    private float Number(int code)
    {
        var (sign, size) = (code < 0x80 ? 1f : -1f, code & 0x7F);
        if (size > _largestCode)
            return size == _overflowCode && size != NaNCode ? sign * float.PositiveInfinity : float.NaN;
        var (exponent, mantissa) = (size >> _mantissaBits, size & ((1 << _mantissaBits) - 1));
        var steps = exponent == 0 ? mantissa : mantissa + (1 << _mantissaBits);
        return sign * (float)Math.ScaleB(steps, Math.Max(exponent, 1) - _bias - _mantissaBits);
    }

    private static void RequireLengths(int codes, int numbers)
    {
        if (codes != numbers)
            throw new ArgumentException($"Expected one byte a number, got {codes} bytes and {numbers} numbers.", nameof(numbers));
    }
}
