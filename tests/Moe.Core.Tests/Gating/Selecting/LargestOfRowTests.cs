using CsCheck;
using static TorchSharp.torch;

namespace Moe.Core.Tests;

/// <summary>The K largest of each row against sorting.</summary>
public sealed class LargestOfRowTests
{
    private static readonly double[] Few = [-1, 0, -0.0, 0.5, 2, double.NegativeInfinity];

    private sealed record Case(int Rows, int Width, int Choices, bool Tied, bool Wide, int Seed);

    private static readonly Gen<Case> Cases =
        from rows in Gen.Int[1, 21]
        from width in Gen.OneOf(Gen.Int[1, 9], Gen.Int[60, 70], Gen.Int[120, 140])
        from choices in Gen.Int[1, width]
        from tied in Gen.Bool
        from wide in Gen.Bool
        from seed in Gen.Int[1, 100_000]
        select new Case(rows, width, choices, tied, wide, seed);

    [Fact]
    public void They_are_those_that_a_stable_sort_puts_first()
    {
        Cases.Sample(
            c =>
            {
                using var scope = NewDisposeScope();
                var keys = Keys(c);

                Compare.Longs(LargestOfRow.Of(keys, c.Choices)).Should().Equal(Sorted(keys, c.Choices));
            },
            iter: 300, threads: 1);
    }

    [Fact]
    public void Without_ties_torch_says_the_same()
    {
        Cases.Where(c => !c.Tied).Sample(
            c =>
            {
                using var scope = NewDisposeScope();
                var keys = Keys(c);

                Compare.SameBits(LargestOfRow.Of(keys, c.Choices), OnDevicePath.Run(() => LargestOfRow.Of(keys, c.Choices)));
            },
            iter: 100, threads: 1);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(20)]
    public void NaN_spoils_neither_range_nor_distinctness_nor_the_other_rows(int rows)
    {
        using var scope = NewDisposeScope();
        var keys = Make.Normal(1, ScalarType.Float32, rows, 11);
        var expected = Sorted(keys, 4);
        keys[0].narrow(0, 1, 9).fill_(double.NaN);

        var places = Compare.Longs(LargestOfRow.Of(keys, 4));

        places[..4].Should().OnlyHaveUniqueItems().And.OnlyContain(place => place >= 0 && place < 11).And.Contain([0L, 10L]);
        places[4..].Should().Equal(expected[4..]);
    }

    [Fact]
    public void Rows_may_be_strided_and_of_any_number_of_dimensions()
    {
        using var scope = NewDisposeScope();
        var keys = Make.Normal(2, 7, 3, 5);

        var places = LargestOfRow.Of(keys.transpose(1, 2), 2);

        places.shape.Should().Equal(7, 5, 2);
        Compare.SameBits(places, LargestOfRow.Of(keys.transpose(1, 2).contiguous().reshape(35, 3), 2).reshape(7, 5, 2));
    }

    private static Tensor Keys(Case c)
    {
        var random = new Random(c.Seed);
        var numbers = Enumerable.Range(0, c.Rows * c.Width).Select(_ => c.Tied ? Few[random.Next(Few.Length)] : random.NextDouble()).ToArray();
        return tensor(numbers, dtype: c.Wide ? ScalarType.Float64 : ScalarType.Float32).reshape(c.Rows, c.Width);
    }

    /// <summary>LINQ's order is stable, and its numbers are compared as numbers: 0 = -0.</summary>
    private static IEnumerable<long> SortedRows(Tensor keys, int choices) =>
        Direct.Rows(keys).SelectMany(row => Enumerable.Range(0, row.Length).OrderByDescending(at => row[at] + 0.0).Take(choices)).Select(at => (long)at);

    private static long[] Sorted(Tensor keys, int choices) => [.. SortedRows(keys, choices)];
}
