namespace Moe.HuggingFace.Tests;

/// <summary>Rounding to MXFP4.</summary>
public sealed class Mxfp4EncodingTests
{
    [Fact]
    public void Blocks_that_use_their_scale_come_back_as_the_same_bytes()
    {
        for (var scale = 0; scale <= 252; scale++)
        {
            var block = Quantities.Bytes(scale, 16);

            // A block whose largest number is below 4 could have a smaller scale.
            block[scale % 16] = (byte)((block[scale % 16] & 0xF0) | 6 | (scale & 9));

            Encoded(Decoded(block, (byte)scale)).Should().BeEquivalentTo((block, (byte)scale), "that was scale {0}", scale);
        }
    }

    [Fact]
    public void Any_block_of_numbers_comes_back_as_the_same_numbers()
    {
        for (var scale = 0; scale <= 254; scale++)
        {
            // Codes 0 to 3 only, where the format itself has something to choose.
            var block = Quantities.Bytes(scale, 16).Select(both => (byte)(both & (scale % 2 == 0 ? 0x99 : 0xBB))).ToArray();
            var numbers = Decoded(block, (byte)scale);
            var (again, scaleAgain) = Encoded(numbers);

            Decoded(again, scaleAgain).Select(BitConverter.SingleToUInt32Bits).Should().Equal(numbers.Select(BitConverter.SingleToUInt32Bits), "that was scale {0}", scale);
        }
    }

    [Theory]
    [InlineData(0.25, 0)]
    [InlineData(0.2500001, 1)]
    [InlineData(0.75, 2)]
    [InlineData(0.7499999, 1)]
    [InlineData(1.25, 2)]
    [InlineData(1.2500001, 3)]
    [InlineData(1.75, 4)]
    [InlineData(1.7499999, 3)]
    [InlineData(2.5, 4)]
    [InlineData(2.5000002, 5)]
    [InlineData(3.5, 6)]
    [InlineData(3.4999998, 5)]
    [InlineData(5, 6)]
    [InlineData(5.0000005, 7)]
    [InlineData(7.9999995, 7)]
    public void Halfway_goes_to_the_even_code(float number, byte code)
    {
        foreach (var scale in new[] { 1, 127, 200, 252 })
        {
            var numbers = new float[32];
            var unit = (float)Math.ScaleB(1, scale - 127);

            // The first number says what the scale is.
            (numbers[0], numbers[1], numbers[2]) = (4 * unit, number * unit, -number * unit);
            var (block, found) = Encoded(numbers);

            found.Should().Be((byte)scale);
            (block[0] >> 4).Should().Be(code);
            (block[1] & 15).Should().Be(code | 8);
        }
    }

    [Fact]
    public void Every_number_goes_to_the_nearest_that_its_scale_has()
    {
        var random = new Random(5);
        for (var trial = 0; trial < 200; trial++)
        {
            float[] numbers = [.. Enumerable.Range(0, 32).Select(_ => (float)((random.NextDouble() - 0.5) * Math.ScaleB(1, trial - 100)))];
            var (block, scale) = Encoded(numbers);
            var decoded = Decoded(block, scale);

            scale.Should().Be((byte)(Math.Floor(Math.Log2(numbers.Max(Math.Abs))) - 2 + 127));
            for (var place = 0; place < 32; place++)
            {
                var nearest = Enumerable.Range(0, 16).Min(code => Math.Abs(Mxfp4Tests.Definition(code, scale) - numbers[place]));
                Math.Abs((double)decoded[place] - numbers[place]).Should().Be(nearest);
            }
        }
    }

    [Theory]
    [InlineData(float.NaN)]
    [InlineData(float.PositiveInfinity)]
    [InlineData(float.NegativeInfinity)]
    public void A_block_with_a_number_that_is_not_finite_is_NaN(float number)
    {
        var numbers = new float[64];
        (numbers[3], numbers[5], numbers[40]) = (1, number, 3);
        var (blocks, scales) = (new byte[32], new byte[2]);

        Mxfp4.Encode(numbers, blocks, scales);

        scales[0].Should().Be(255);
        Decoded(blocks[16..], scales[1])[8].Should().Be(3);
    }

    [Fact]
    public void What_is_too_small_becomes_zero_and_keeps_its_sign()
    {
        var numbers = new float[32];
        (numbers[0], numbers[1], numbers[2]) = (-0f, float.Epsilon, -float.Epsilon);

        var (block, scale) = Encoded(numbers);

        scale.Should().Be(0);
        block[..2].Should().Equal(0x08, 0x08);
    }

    private static float[] Decoded(byte[] block, byte scale)
    {
        var numbers = new float[32];
        Mxfp4.Decode(block, [scale], numbers);
        return numbers;
    }

    private static (byte[] Block, byte Scale) Encoded(float[] numbers)
    {
        var (block, scales) = (new byte[16], new byte[1]);
        Mxfp4.Encode(numbers, block, scales);
        return (block, scales[0]);
    }
}
