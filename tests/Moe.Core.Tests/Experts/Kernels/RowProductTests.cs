using CsCheck;

namespace Moe.Core.Tests;

/// <summary>The three products, by loops over rows, by panels, and by whichever is chosen, against float64 and against themselves, over shapes that fit no tile.</summary>
public sealed unsafe class RowProductTests
{
    private static readonly Gen<Case> Cases =
        from count in Gen.OneOf(Gen.Int[0, 40], Gen.Int[60, 140])
        from inner in Gen.OneOf(Gen.Int[0, 70], Gen.Int[1, 12].Select(number => 16 * number))
        from outer in Gen.OneOf(Gen.Int[0, 140], Gen.Int[1, 12].Select(number => 16 * number))
        from start in Gen.Int[0, outer]
        from end in Gen.Int[start, outer]
        from split in Gen.Int[start, end]
        from gap in Gen.Int[0, 3]
        from seed in Gen.Int[0, int.MaxValue - 1]
        select new Case(count, inner, outer, start, split, end, gap, seed);

    private delegate void Product(float** rows, int count, float* weight, int width, int from, int to, float* output, nint stride);

    private delegate void Sums(float** a, int count, float* weight, int height, int width, int from, int to, float* output, nint stride);

    private delegate void Gradient(float** a, float** rows, int count, int width, int from, int to, float* gradient);

    [Fact]
    public void Dot_products_are_right_for_every_shape_and_have_the_same_bits_however_their_range_is_split() => RightWithTransposed(Cases, DotProducts.Multiply);

    [Fact]
    public void Panels_are_right_for_every_shape_and_have_the_same_bits_however_their_range_is_split() => RightWithTransposed(Cases, PanelProducts.WithTransposed);

    [Fact]
    public void Whichever_is_chosen_for_transposed_weights_is_right() => RightWithTransposed(Cases, RowProducts.WithTransposed);

    [Fact]
    public void Weighted_sums_of_up_to_three_rows_are_right_for_every_shape_and_have_the_same_bits_however_their_range_is_split() =>
        RightWith(Cases.Select(shape => shape with { Count = shape.Count % (WeightedSums.Most + 1) }), WeightedSums.Multiply);

    [Fact]
    public void Panels_in_place_are_right_for_every_shape_and_have_the_same_bits_however_their_range_is_split() => RightWith(Cases, PanelProducts.With);

    [Fact]
    public void Whichever_is_chosen_for_weights_is_right() => RightWith(Cases, RowProducts.With);

    [Fact]
    public void Outer_products_are_right_for_every_shape_and_have_the_same_bits_however_their_range_is_split() => RightGradient(Cases, OuterProducts.Sum);

    [Fact]
    public void Panels_of_rows_are_right_for_every_shape_and_have_the_same_bits_however_their_range_is_split() => RightGradient(Cases, PanelProducts.Gradient);

    [Fact]
    public void Whichever_is_chosen_for_gradients_is_right() => RightGradient(Cases, RowProducts.Gradient);

    /// <summary>Longer than any part of a sum that is taken at a time.</summary>
    [Theory]
    [InlineData(7, 1100, 70)]
    [InlineData(12, 2050, 9)]
    public void Long_sums_are_right(int count, int inner, int outer)
    {
        var cases = Gen.Const(new Case(count, inner, outer, 1, outer / 2, outer, 0, count));

        RightWithTransposed(cases, PanelProducts.WithTransposed, 1);
        RightWith(cases, PanelProducts.With, 1);
        RightGradient(Gen.Const(new Case(4 * inner, count, outer, 1, outer / 2, outer, 0, count)), PanelProducts.Gradient, 1);
    }

    /// <summary>On a machine with wider registers nothing else would run it.</summary>
    [Theory]
    [InlineData(1, false)]
    [InlineData(37, true)]
    public void The_narrow_tile_is_right(int depth, bool adds)
    {
        var random = new Random(depth);
        var width = 2 * Lanes.Count;
        var (rows, panel, output) = (PinnedRows.Normal(random, PanelTile.Rows, depth + 2), PinnedRows.Normal(random, depth, width), PinnedRows.Normal(random, PanelTile.Rows, width));
        var before = Enumerable.Range(0, PanelTile.Rows * width).Select(at => adds ? output[at / width, at % width] : 0).ToArray();

        PanelTile.SixByTwo(rows.Rows, 2, new(panel.Start, width, panel.Start), depth, output.Start, width, adds, streams: false);

        for (var at = 0; at < before.Length; at++)
        {
            var (value, size, _) = Sum(depth, d => (rows[at / width, d + 2], panel[d, at % width]));
            Math.Abs(output[at / width, at % width] - value - before[at]).Should().BeLessThanOrEqualTo(Bound(depth + 1) * (size + Math.Abs(before[at])));
        }
    }

    [Fact]
    public void A_row_has_the_same_bits_alone_and_among_others()
    {
        var random = new Random(1);
        var (x, down, a, up) = (PinnedRows.Normal(random, 23, 37), PinnedRows.Normal(random, 90, 37), PinnedRows.Normal(random, 23, 37), PinnedRows.Normal(random, 37, 90));
        var (dots, lonelyDots, sums, lonelySums) = (new PinnedRows(23, 90), new PinnedRows(23, 90), new PinnedRows(23, 90), new PinnedRows(23, 90));

        DotProducts.Multiply(x.Rows, 23, down.Start, 37, 0, 90, dots.Start, dots.Stride);
        PanelProducts.With(a.Rows, 23, up.Start, 37, 90, 0, 90, sums.Start, sums.Stride);
        for (var i = 0; i < 23; i++)
        {
            DotProducts.Multiply(x.Rows + i, 1, down.Start, 37, 0, 90, lonelyDots.Rows[i], 0);
            WeightedSums.Multiply(a.Rows + i, 1, up.Start, 37, 90, 0, 90, lonelySums.Rows[i], 0);
        }

        lonelyDots.HasBitsOf(dots).Should().BeTrue();
        lonelySums.HasBitsOf(sums).Should().BeTrue();
    }

    private static void RightWithTransposed(Gen<Case> cases, Product product, long samples = 100) => cases.Sample(
        shape =>
        {
            var random = new Random(shape.Seed);
            var (rows, weight) = (PinnedRows.Normal(random, shape.Count, shape.Inner, shape.Gap), PinnedRows.Normal(random, shape.Outer, shape.Inner));
            var (whole, parts) = (new PinnedRows(shape.Count, shape.Outer, shape.Gap), new PinnedRows(shape.Count, shape.Outer, shape.Gap));

            Run(whole, shape.From, shape.To);
            Run(parts, shape.From, shape.Split);
            Run(parts, shape.Split, shape.To);

            Check(whole, parts, shape, (i, r) => Sum(shape.Inner, d => (rows[i, d], weight[r, d])), (i, r) => shape.Covers(r));

            void Run(PinnedRows output, int from, int to) => product(rows.Rows, shape.Count, weight.Start, shape.Inner, from, to, output.Start, output.Stride);
        },
        iter: samples);

    private static void RightWith(Gen<Case> cases, Sums sums, long samples = 100) => cases.Sample(
        shape =>
        {
            var random = new Random(shape.Seed);
            var (a, weight) = (PinnedRows.Normal(random, shape.Count, shape.Inner, shape.Gap), PinnedRows.Normal(random, shape.Inner, shape.Outer));
            var (whole, parts) = (new PinnedRows(shape.Count, shape.Outer, shape.Gap), new PinnedRows(shape.Count, shape.Outer, shape.Gap));

            Run(whole, shape.From, shape.To);
            Run(parts, shape.From, shape.Split);
            Run(parts, shape.Split, shape.To);

            Check(whole, parts, shape, (i, j) => Sum(shape.Inner, r => (a[i, r], weight[r, j])), (i, j) => shape.Covers(j));

            void Run(PinnedRows output, int from, int to) => sums(a.Rows, shape.Count, weight.Start, shape.Inner, shape.Outer, from, to, output.Start, output.Stride);
        },
        iter: samples);

    private static void RightGradient(Gen<Case> cases, Gradient product, long samples = 100) => cases.Sample(
        shape =>
        {
            var random = new Random(shape.Seed);
            var (a, rows) = (PinnedRows.Normal(random, shape.Count, shape.Outer, shape.Gap), PinnedRows.Normal(random, shape.Count, shape.Inner));
            // One that is written past the caches where its width allows it, and one that is not.
            var (whole, parts) = (new PinnedRows(shape.Outer, shape.Inner), new PinnedRows(shape.Outer, shape.Inner, shift: 1));

            Run(whole, shape.From, shape.To);
            Run(parts, shape.From, shape.Split);
            Run(parts, shape.Split, shape.To);

            Check(whole, parts, shape, (r, j) => Sum(shape.Count, i => (a[i, r], rows[i, j])), (r, j) => shape.Covers(r));

            void Run(PinnedRows gradient, int from, int to) => product(a.Rows, rows.Rows, shape.Count, shape.Inner, from, to, gradient.Start);
        },
        iter: samples);

    /// <summary>Higham 2002, (3.5): n products summed in any order err by at most γₙ = n·u / (1 - n·u) times the sum of their sizes, with u = 2⁻²⁴.</summary>
    private static void Check(PinnedRows actual, PinnedRows inParts, Case shape, Func<int, int, (double Value, double Size, int Terms)> truth, Func<int, int, bool> written)
    {
        for (var row = 0; row < actual.Count; row++)
            for (var column = 0; column < actual.Width; column++)
                if (written(row, column))
                {
                    var (value, size, terms) = truth(row, column);
                    Math.Abs(actual[row, column] - value).Should().BeLessThanOrEqualTo(Bound(terms) * size, "of [{0}, {1}] in {2}", row, column, shape);
                }
        inParts.HasBitsOf(actual).Should().BeTrue("ranges may be split in {0}", shape);
        actual.IsUntouchedOutside(written).Should().BeTrue("only the range is written in {0}", shape);
        inParts.IsUntouchedOutside(written).Should().BeTrue("only the range is written in {0}", shape);
    }

    private static double Bound(int terms) => terms * Math.Pow(2, -24) / (1 - (terms * Math.Pow(2, -24)));

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
