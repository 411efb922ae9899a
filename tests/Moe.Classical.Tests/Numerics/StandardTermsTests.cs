namespace Moe.Classical.Tests;

public sealed class StandardTermsTests
{
    // Columns: free, constant, free, 2 · first - third.
    private static readonly double[] Rows = [1, 7, 2, 0, 4, 7, -1, 9, 2, 7, 5, -1, 8, 7, 3, 13, 5, 7, 5, 5];
    private static readonly double[] Weights = [1, 2, 0.5, 1, 3];

    [Fact]
    public void Columns_that_tell_nothing_are_left_out_and_combinations_only_where_that_is_asked_for()
    {
        var fewest = new StandardTerms(Rows, 4, null, Weights, combinations: false);
        fewest.RawPlaces.Should().Equal(0, 1, 3);
        fewest.Dropped([]).Should().Equal(1, 3);
        var most = new StandardTerms(Rows, 4, null, Weights, combinations: true);
        most.RawPlaces.Should().Equal(0, 1, 3, 4);
        most.Dropped([]).Should().Equal(1);
        most.Dropped([false, false, false, true]).Should().Equal(1, 3);
        new StandardTerms(Rows, 4, [3, 0], Weights, combinations: false).RawPlaces.Should().Equal(0, 1, 2);
    }

    [Fact]
    public void Terms_have_mean_0_and_square_1_by_weight()
    {
        var terms = new StandardTerms(Rows, 4, null, Weights, combinations: false);
        var gram = terms.Gram(Weights);
        for (var term = 1; term < terms.Width; term++)
        {
            gram[term].Should().BeApproximately(0, 1e-12);
            gram[(term * terms.Width) + term].Should().BeApproximately(terms.Total, 1e-12);
        }
    }

    [Fact]
    public void Coefficients_turn_there_and_back_and_say_the_same_of_each_row()
    {
        var terms = new StandardTerms(Rows, 4, null, Weights, combinations: false);
        double[] standardised = [0.3, -1.2, 2];
        var raw = terms.ToRaw(standardised);
        raw.Should().HaveCount(5);
        (raw[2], raw[4]).Should().Be((0, 0));
        for (var row = 0; row < 5; row++)
            (raw[0] + Products.Dot(Rows.AsSpan(row * 4, 4), raw.AsSpan(1))).Should().BeApproximately(Products.Dot(terms.Row(row), standardised), 1e-12);
        var back = new double[3];
        terms.FromRaw(raw, back);
        for (var term = 0; term < 3; term++)
            back[term].Should().BeApproximately(standardised[term], 1e-12);

        // A column that is left out is known by its mean only.
        raw[2] = 2;
        terms.FromRaw(raw, back);
        back[0].Should().BeApproximately(standardised[0] + 14, 1e-12);
    }

    [Fact]
    public void A_covariance_turns_with_the_coefficients()
    {
        var terms = new StandardTerms(Rows, 4, null, Weights, combinations: false);
        double[] covariance = [2, 0.3, -0.4, 0.3, 1, 0.2, -0.4, 0.2, 3];
        var turned = terms.TurnCovariance(covariance);
        var (turn, places) = (terms.Turn(), terms.RawPlaces.ToArray());
        for (var first = 0; first < 3; first++)
        {
            for (var second = 0; second < 3; second++)
            {
                var sum = 0.0;
                for (var left = 0; left < 3; left++)
                {
                    for (var right = 0; right < 3; right++)
                        sum += turn[(first * 3) + left] * covariance[(left * 3) + right] * turn[(second * 3) + right];
                }
                turned[(places[first] * 5) + places[second]].Should().BeApproximately(sum, 1e-12);
            }
        }
        Enumerable.Range(0, 5).Should().OnlyContain(place => turned[(2 * 5) + place] == 0 && turned[(place * 5) + 4] == 0);
    }

    [Fact]
    public void Without_an_intercept_columns_are_not_centred_and_a_constant_one_stays()
    {
        var terms = new StandardTerms(Rows, 4, null, [], combinations: false, intercept: false);
        terms.RawPlaces.Should().Equal(0, 1, 2, 3);
        terms.Row(1)[0].Should().Be(0);
        terms.Row(1)[2].Should().BeApproximately(1, 1e-12);
        terms.ToRaw([0, 0, 1, 0]).Should().Equal([0, 0, 1.0 / 7, 0, 0], (left, right) => Math.Abs(left - right) < 1e-12);
    }
}
