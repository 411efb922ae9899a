using CsCheck;

namespace Moe.Core.Tests;

/// <summary>The three products for few rows, against float64 and against themselves, over shapes that fit no tile.</summary>
public sealed unsafe class SkinnyProductTests
{
    private static readonly Gen<Case> Cases =
        from count in Gen.Int[0, 40]
        from inner in Gen.OneOf(Gen.Int[0, 70], Gen.Int[1, 12].Select(number => 16 * number))
        from outer in Gen.OneOf(Gen.Int[0, 70], Gen.Int[1, 12].Select(number => 16 * number))
        from start in Gen.Int[0, outer]
        from end in Gen.Int[start, outer]
        from split in Gen.Int[start, end]
        from gap in Gen.Int[0, 3]
        from seed in Gen.Int[0, int.MaxValue - 1]
        select new Case(count, inner, outer, start, split, end, gap, seed);

    [Fact]
    public void Dot_products_are_right_for_every_shape_and_have_the_same_bits_however_their_range_is_split() => Cases.Sample(shape =>
    {
        var random = new Random(shape.Seed);
        var (rows, weight) = (PinnedRows.Normal(random, shape.Count, shape.Inner, shape.Gap), PinnedRows.Normal(random, shape.Outer, shape.Inner));
        var (whole, parts) = (new PinnedRows(shape.Count, shape.Outer, shape.Gap), new PinnedRows(shape.Count, shape.Outer, shape.Gap));

        Run(whole, shape.From, shape.To);
        Run(parts, shape.From, shape.Split);
        Run(parts, shape.Split, shape.To);

        Check(whole, parts, shape, (i, r) => Sum(shape.Inner, d => (rows[i, d], weight[r, d])), (i, r) => shape.Covers(r));

        void Run(PinnedRows output, int from, int to) =>
            DotProducts.Multiply(rows.Rows, shape.Count, weight.Start, shape.Inner, from, to, output.Start, output.Stride);
    });

    [Fact]
    public void Weighted_sums_are_right_for_every_shape_and_have_the_same_bits_however_their_range_is_split() => Cases.Sample(shape =>
    {
        var random = new Random(shape.Seed);
        var (a, weight) = (PinnedRows.Normal(random, shape.Count, shape.Inner, shape.Gap), PinnedRows.Normal(random, shape.Inner, shape.Outer));
        var (whole, parts) = (new PinnedRows(shape.Count, shape.Outer, shape.Gap), new PinnedRows(shape.Count, shape.Outer, shape.Gap));

        Run(whole, shape.From, shape.To);
        Run(parts, shape.From, shape.Split);
        Run(parts, shape.Split, shape.To);

        Check(whole, parts, shape, (i, j) => Sum(shape.Inner, r => (a[i, r], weight[r, j])), (i, j) => shape.Covers(j));

        void Run(PinnedRows output, int from, int to) =>
            WeightedSums.Multiply(a.Rows, shape.Count, weight.Start, shape.Inner, shape.Outer, from, to, output.Start, output.Stride);
    });

    [Fact]
    public void Outer_products_are_right_for_every_shape_and_have_the_same_bits_however_their_range_is_split() => Cases.Sample(shape =>
    {
        var random = new Random(shape.Seed);
        var (a, rows) = (PinnedRows.Normal(random, shape.Count, shape.Outer, shape.Gap), PinnedRows.Normal(random, shape.Count, shape.Inner));
        // One that is written past the caches where its width allows it, and one that is not.
        var (whole, parts) = (new PinnedRows(shape.Outer, shape.Inner), new PinnedRows(shape.Outer, shape.Inner, shift: 1));

        Run(whole, shape.From, shape.To);
        Run(parts, shape.From, shape.Split);
        Run(parts, shape.Split, shape.To);

        Check(whole, parts, shape, (r, j) => Sum(shape.Count, i => (a[i, r], rows[i, j])), (r, j) => shape.Covers(r));

        void Run(PinnedRows gradient, int from, int to) => OuterProducts.Sum(a.Rows, rows.Rows, shape.Count, shape.Inner, from, to, gradient.Start);
    });

    [Fact]
    public void A_row_has_the_same_bits_alone_and_among_others()
    {
        var random = new Random(1);
        var (x, down, a, up) = (PinnedRows.Normal(random, 23, 37), PinnedRows.Normal(random, 90, 37), PinnedRows.Normal(random, 23, 37), PinnedRows.Normal(random, 37, 90));
        var (dots, lonelyDots, sums, lonelySums) = (new PinnedRows(23, 90), new PinnedRows(23, 90), new PinnedRows(23, 90), new PinnedRows(23, 90));

        DotProducts.Multiply(x.Rows, 23, down.Start, 37, 0, 90, dots.Start, dots.Stride);
        WeightedSums.Multiply(a.Rows, 23, up.Start, 37, 90, 0, 90, sums.Start, sums.Stride);
        for (var i = 0; i < 23; i++)
        {
            DotProducts.Multiply(x.Rows + i, 1, down.Start, 37, 0, 90, lonelyDots.Rows[i], 0);
            WeightedSums.Multiply(a.Rows + i, 1, up.Start, 37, 90, 0, 90, lonelySums.Rows[i], 0);
        }

        lonelyDots.HasBitsOf(dots).Should().BeTrue();
        lonelySums.HasBitsOf(sums).Should().BeTrue();
    }

    /// <summary>Higham 2002, (3.5): n products summed in any order err by at most γₙ = n·u / (1 - n·u) times the sum of their sizes, with u = 2⁻²⁴.</summary>
    private static void Check(PinnedRows actual, PinnedRows inParts, Case shape, Func<int, int, (double Value, double Size, int Terms)> truth, Func<int, int, bool> written)
    {
        for (var row = 0; row < actual.Count; row++)
            for (var column = 0; column < actual.Width; column++)
                if (written(row, column))
                {
                    var (value, size, terms) = truth(row, column);
                    var bound = terms * Math.Pow(2, -24) / (1 - (terms * Math.Pow(2, -24))) * size;
                    Math.Abs(actual[row, column] - value).Should().BeLessThanOrEqualTo(bound, "of [{0}, {1}] in {2}", row, column, shape);
                }
        inParts.HasBitsOf(actual).Should().BeTrue("ranges may be split in {0}", shape);
        actual.IsUntouchedOutside(written).Should().BeTrue("only the range is written in {0}", shape);
        inParts.IsUntouchedOutside(written).Should().BeTrue("only the range is written in {0}", shape);
    }

    private static (double Value, double Size, int Terms) Sum(int terms, Func<int, (float A, float B)> term)
    {
        var (value, size) = (0.0, 0.0);
        for (var at = 0; at < terms; at++)
        {
            var (a, b) = term(at);
            (value, size) = (value + ((double)a * b), size + Math.Abs((double)a * b));
        }
        return (value, size, terms);
    }

    private sealed record Case(int Count, int Inner, int Outer, int From, int Split, int To, int Gap, int Seed)
    {
        public bool Covers(int at) => at >= From && at < To;
    }
}
