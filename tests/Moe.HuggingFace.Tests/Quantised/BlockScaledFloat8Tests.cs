namespace Moe.HuggingFace.Tests;

/// <summary>Matrices with a scale for each square.</summary>
public sealed class BlockScaledFloat8Tests
{
    [Theory]
    [InlineData(1, 1)]
    [InlineData(128, 128)]
    [InlineData(127, 129)]
    [InlineData(129, 127)]
    [InlineData(300, 257)]
    [InlineData(2, 640)]
    public void A_number_is_its_code_times_the_scale_of_its_square(int rows, int columns)
    {
        var codes = Quantities.Bytes(1, rows * columns);
        var (down, across) = ((rows + 127) / 128, (columns + 127) / 128);
        float[] scales = [.. Enumerable.Range(0, down * across).Select(square => (square + 1) * 0.37f)];
        var (numbers, plain) = (new float[codes.Length], new float[codes.Length]);
        Float8.DecodeE4M3(codes, plain);

        BlockScaledFloat8.Decode(codes, columns, scales, numbers);

        for (var row = 0; row < rows; row++)
        {
            for (var column = 0; column < columns; column++)
            {
                var place = (row * columns) + column;
                var expected = plain[place] * scales[(row / 128 * across) + (column / 128)];
                (numbers[place] == expected || (float.IsNaN(numbers[place]) && float.IsNaN(expected))).Should().BeTrue("row {0}, column {1}", row, column);
            }
        }
    }

    [Fact]
    public void Squares_may_have_another_size()
    {
        var numbers = new float[15];

        BlockScaledFloat8.Decode([.. Enumerable.Repeat((byte)0x38, 15)], 5, [1, 2, 3, 4, 5, 6], numbers, blockSize: 2);

        numbers.Should().Equal(1, 1, 2, 2, 3, 1, 1, 2, 2, 3, 4, 4, 5, 5, 6);
    }

    [Fact]
    public void Encoding_uses_the_whole_range_of_each_square_and_is_off_by_a_sixteenth_at_most()
    {
        var random = new Random(3);
        const int Rows = 150, Columns = 200;
        float[] numbers = [.. Enumerable.Range(0, Rows * Columns).Select(place => (float)((random.NextDouble() - 0.5) * Math.ScaleB(1, place % Columns < 128 ? 3 : -20)))];
        var (codes, scales, again) = (new byte[numbers.Length], new float[4], new float[numbers.Length]);

        BlockScaledFloat8.Encode(numbers, Columns, codes, scales);
        BlockScaledFloat8.Decode(codes, Columns, scales, again);

        for (var place = 0; place < numbers.Length; place++)
        {
            var (row, column) = Math.DivRem(place, Columns);
            var step = scales[(row / 128 * 2) + (column / 128)] * Math.ScaleB(1.00001, -10);
            Math.Abs((double)again[place] - numbers[place]).Should().BeLessThanOrEqualTo(Math.Max(Math.Abs(numbers[place]) / 16 * 1.00001, step));
        }
        codes.Count(code => (code & 0x7F) == 0x7E).Should().BeGreaterThanOrEqualTo(4, "every square's largest number is the format's");
    }

    [Fact]
    public void Zeros_stay_zeros()
    {
        var (codes, scales, again) = (new byte[4], new float[1], new float[4]);

        BlockScaledFloat8.Encode([0, -0f, 0, 0], 2, codes, scales);
        BlockScaledFloat8.Decode(codes, 2, scales, again);

        scales.Should().Equal(1);
        again.Should().OnlyContain(number => number == 0);
    }

    [Fact]
    public void What_cannot_be_is_refused()
    {
        FluentActions.Invoking(() => BlockScaledFloat8.Decode(new byte[129 * 129], 129, new float[3], new float[129 * 129])).Should().Throw<ArgumentException>()
            .WithMessage("Expected 2 by 2 scales for 129 by 129 codes in squares of 128, got 3.*");
        FluentActions.Invoking(() => BlockScaledFloat8.Decode(new byte[5], 2, new float[1], new float[5])).Should().Throw<ArgumentException>();
        FluentActions.Invoking(() => BlockScaledFloat8.Decode(new byte[4], 2, new float[1], new float[5])).Should().Throw<ArgumentException>();
        FluentActions.Invoking(() => BlockScaledFloat8.Encode([1, float.NaN], 2, new byte[2], new float[1])).Should().Throw<ArgumentException>().WithMessage("Expected finite*");
        FluentActions.Invoking(() => BlockScaledFloat8.Encode([1, float.NegativeInfinity], 2, new byte[2], new float[1])).Should().Throw<ArgumentException>();
    }
}
