using static TorchSharp.torch;

namespace Moe.HuggingFace.Tests;

/// <summary>The two formats of 8 bits against their definitions and against torch.</summary>
public sealed class Float8Tests
{
    private const int TorchE5M2 = 23;
    private const int TorchE4M3 = 24;

    public enum Format
    {
        E4M3,
        E5M2,
    }

    [Theory]
    [InlineData(Format.E4M3)]
    [InlineData(Format.E5M2)]
    public void Every_code_is_what_the_definition_says(Format format)
    {
        for (var code = 0; code < 256; code++)
            BitConverter.SingleToUInt32Bits(Decode(format, (byte)code)).Should().Be(BitConverter.SingleToUInt32Bits((float)Definition(format, code)), "code {0}", code);
    }

    [Fact]
    public void The_largest_and_the_smallest_are_those_of_the_paper()
    {
        Decode(Format.E4M3, 0x7E).Should().Be(448).And.Be(Float8.LargestE4M3);
        Decode(Format.E4M3, 0x01).Should().Be(MathF.ScaleB(1, -9));
        Decode(Format.E4M3, 0x08).Should().Be(MathF.ScaleB(1, -6));
        Decode(Format.E5M2, 0x7B).Should().Be(57344).And.Be(Float8.LargestE5M2);
        Decode(Format.E5M2, 0x01).Should().Be(MathF.ScaleB(1, -16));
        Decode(Format.E5M2, 0xFC).Should().Be(float.NegativeInfinity);
    }

    [Theory]
    [InlineData(Format.E4M3)]
    [InlineData(Format.E5M2)]
    public void Every_number_comes_back_as_its_code(Format format)
    {
        for (var code = 0; code < 256; code++)
        {
            var number = Decode(format, (byte)code);
            var expected = float.IsNaN(number) ? 0x7F : code & 0x7F;
            (Encode(format, number) & 0x7F).Should().Be(expected);
            if (!float.IsNaN(number))
                (Encode(format, number) & 0x80).Should().Be(code & 0x80);
        }
    }

    [Theory]
    [InlineData(Format.E4M3, 0x7E)]
    [InlineData(Format.E5M2, 0x7B)]
    public void Halfway_goes_to_the_even_code_and_a_little_more_or_less_to_the_nearest(Format format, int largest)
    {
        for (var code = 0; code < largest; code++)
        {
            var middle = (Decode(format, (byte)code) + Decode(format, (byte)(code + 1))) / 2;
            var even = code % 2 == 0 ? code : code + 1;

            Encode(format, middle).Should().Be((byte)even);
            Encode(format, -middle).Should().Be((byte)(even | 0x80));
            Encode(format, MathF.BitIncrement(middle)).Should().Be((byte)(code + 1));
            Encode(format, MathF.BitDecrement(middle)).Should().Be((byte)code);
        }
    }

    [Fact]
    public void What_is_too_large_saturates_where_that_is_asked_for()
    {
        float[] numbers = [464, MathF.BitIncrement(464), 1e9f, float.PositiveInfinity, -500, float.NegativeInfinity, float.NaN];
        var codes = new byte[7];

        Float8.EncodeE4M3(numbers, codes);
        codes[..6].Should().Equal(0x7E, 0x7F, 0x7F, 0x7F, 0xFF, 0xFF);
        Float8.EncodeE4M3(numbers, codes, saturate: true);
        codes[..6].Should().Equal(0x7E, 0x7E, 0x7E, 0x7E, 0xFE, 0xFE);
        (codes[6] & 0x7F).Should().Be(0x7F);

        numbers = [MathF.BitDecrement(61440), 61440, 1e9f, float.PositiveInfinity, -70000, float.NegativeInfinity, float.NaN];
        Float8.EncodeE5M2(numbers, codes);
        codes[..6].Should().Equal(0x7B, 0x7C, 0x7C, 0x7C, 0xFC, 0xFC);
        Float8.EncodeE5M2(numbers, codes, saturate: true);
        codes[..6].Should().Equal(0x7B, 0x7B, 0x7B, 0x7B, 0xFB, 0xFB);
        (codes[6] & 0x7F).Should().Be(0x7F);
    }

    [Theory]
    [InlineData(Format.E4M3, TorchE4M3)]
    [InlineData(Format.E5M2, TorchE5M2)]
    public void Without_saturation_it_rounds_as_torch_does(Format format, int torchType)
    {
        using var scope = NewDisposeScope();
        using var script = jit.compile("def rounded(x: Tensor, type: int, back: int) -> Tensor:\n    return x.to(type).to(back)\n");
        var random = new Random(1);

        // Numbers of all sizes around those that the formats hold, and any bits at all.
        float[] numbers =
        [
            .. Enumerable.Range(0, 100_000).Select(_ => (float)((random.NextDouble() - 0.5) * Math.ScaleB(1, random.Next(-22, 20)))),
            .. Enumerable.Range(0, 20_000).Select(_ => BitConverter.Int32BitsToSingle((random.Next(1 << 16) << 16) | random.Next(1 << 16))),
            0f, -0f, 464, 480, 61440, 65536, float.PositiveInfinity, float.NegativeInfinity,
        ];
        var codes = new byte[numbers.Length];
        var again = new float[numbers.Length];
        Encode(format, numbers, codes);
        if (format == Format.E4M3)
            Float8.DecodeE4M3(codes, again);
        else
            Float8.DecodeE5M2(codes, again);

        Quantities.SameBits(tensor(again), (Tensor)script.invoke("rounded", tensor(numbers), torchType, (int)ScalarType.Float32));
    }

    [Fact]
    public void Lengths_that_differ_are_refused()
    {
        FluentActions.Invoking(() => Float8.DecodeE4M3(new byte[3], new float[4])).Should().Throw<ArgumentException>().WithMessage("*got 3 bytes and 4 numbers*");
        FluentActions.Invoking(() => Float8.EncodeE5M2(new float[4], new byte[3])).Should().Throw<ArgumentException>().WithMessage("*got 3 bytes and 4 numbers*");
    }

    private static double Definition(Format format, int code)
    {
        var (sign, size) = (code < 128 ? 1.0 : -1.0, code % 128);
        var (mantissas, bias) = format == Format.E4M3 ? (8, 7) : (4, 15);
        var (exponent, mantissa) = (size / mantissas, size % mantissas);
        return format switch
        {
            Format.E4M3 when size == 127 => float.NaN,
            Format.E5M2 when exponent == 31 => mantissa == 0 ? sign * double.PositiveInfinity : float.NaN,
            _ when exponent == 0 => sign * mantissa / mantissas * Math.Pow(2, 1 - bias),
            _ => sign * (1 + ((double)mantissa / mantissas)) * Math.Pow(2, exponent - bias),
        };
    }

    private static float Decode(Format format, byte code)
    {
        var numbers = new float[1];
        if (format == Format.E4M3)
            Float8.DecodeE4M3([code], numbers);
        else
            Float8.DecodeE5M2([code], numbers);
        return numbers[0];
    }

    private static byte Encode(Format format, float number)
    {
        var codes = new byte[1];
        Encode(format, [number], codes);
        return codes[0];
    }

    private static void Encode(Format format, float[] numbers, byte[] codes)
    {
        if (format == Format.E4M3)
            Float8.EncodeE4M3(numbers, codes);
        else
            Float8.EncodeE5M2(numbers, codes);
    }
}
