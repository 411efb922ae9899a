namespace Moe.HuggingFace.Tests;

/// <summary>The bytes of MXFP4 against its definition.</summary>
public sealed class Mxfp4Tests
{
    /// <summary>One block with every code, twice, in order.</summary>
    private static readonly byte[] AllCodes = [.. Enumerable.Range(0, 16).Select(place => (byte)((2 * (place % 8)) | (((2 * (place % 8)) + 1) << 4)))];

    [Fact]
    public void Every_code_at_every_scale_is_what_the_definition_says()
    {
        for (var scale = 0; scale < 256; scale++)
        {
            var floats = new float[32];
            var halves = new ushort[32];
            Mxfp4.Decode(AllCodes, [(byte)scale], floats);
            Mxfp4.DecodeToBFloat16(AllCodes, [(byte)scale], halves);

            for (var place = 0; place < 32; place++)
            {
                var expected = Definition(place % 16, scale);
                if (scale == 255)
                    float.IsNaN(floats[place]).Should().BeTrue();
                else
                    BitConverter.SingleToUInt32Bits(floats[place]).Should().Be(BitConverter.SingleToUInt32Bits((float)expected), "code {0} at scale {1}", place % 16, scale);
                BitConverter.SingleToUInt32Bits(floats[place]).Should().Be((uint)halves[place] << 16, "BFloat16 holds all that Float32 does");
            }
        }
    }

    [Fact]
    public void All_that_the_format_holds_is_exact_in_Float32_but_for_the_largest()
    {
        var (inexact, infinite) = (0, new List<(int Code, int Scale)>());
        for (var scale = 0; scale < 255; scale++)
        {
            for (var code = 0; code < 8; code++)
            {
                var exact = Definition(code, scale);
                if (float.IsInfinity((float)exact))
                    infinite.Add((code, scale));
                else if ((float)exact != exact)
                    inexact++;
            }
        }

        inexact.Should().Be(0);
        infinite.Should().Equal((6, 253), (7, 253), (4, 254), (5, 254), (6, 254), (7, 254));
    }

    [Fact]
    public void The_low_half_of_a_byte_comes_first()
    {
        var block = new byte[16];
        (block[0], block[15]) = (0x21, 0xF7);
        var numbers = new float[32];

        Mxfp4.Decode(block, [128], numbers);

        numbers[..2].Should().Equal(1, 2);
        numbers[2..30].Should().OnlyContain(number => number == 0);
        numbers[30..].Should().Equal(12, -12);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(77)]
    public void Blocks_are_decoded_each_with_its_own_scale(int count)
    {
        var (blocks, scales) = (Quantities.Bytes(1, 16 * count), Quantities.Bytes(2, count));
        var numbers = new float[32 * count];

        Mxfp4.Decode(blocks, scales, numbers);

        for (var place = 0; place < numbers.Length; place++)
        {
            var code = place % 2 == 0 ? blocks[place / 2] & 15 : blocks[place / 2] >> 4;
            numbers[place].Should().Be((float)Definition(code, scales[place / 32]));
        }
    }

    [Theory]
    [InlineData(15, 1, 32)]
    [InlineData(16, 2, 32)]
    [InlineData(16, 1, 31)]
    public void Lengths_that_do_not_fit_are_refused(int bytes, int scales, int numbers)
    {
        FluentActions.Invoking(() => Mxfp4.Decode(new byte[bytes], new byte[scales], new float[numbers])).Should().Throw<ArgumentException>()
            .WithMessage($"Expected 16 bytes and 32 numbers for each of {scales} scales, got {bytes} bytes and {numbers} numbers.*");
        FluentActions.Invoking(() => Mxfp4.DecodeToBFloat16(new byte[bytes], new byte[scales], new ushort[numbers])).Should().Throw<ArgumentException>();
        FluentActions.Invoking(() => Mxfp4.Encode(new float[numbers], new byte[bytes], new byte[scales])).Should().Throw<ArgumentException>();
    }

    /// <summary>From the bits: sign, two of exponent (bias 1), one of mantissa; times 2^(s - 127).</summary>
    internal static double Definition(int code, int scale)
    {
        var (exponent, mantissa) = ((code >> 1) & 3, code & 1);
        var size = exponent == 0 ? mantissa * 0.5 : (1 + (mantissa * 0.5)) * Math.Pow(2, exponent - 1);
        return scale == 255 ? double.NaN : (code >= 8 ? -1 : 1) * size * Math.Pow(2, scale - 127);
    }
}
