namespace Moe.Classical.Tests;

public sealed class PlattSigmoidTests
{
    [Theory]
    [InlineData(1, 1)]
    [InlineData(2, 1000)]
    [InlineData(3, 1e-4)]
    public void The_score_equations_hold_at_the_fit(int seed, double unit)
    {
        var (values, first, weights) = Sample(seed, 200, unit);
        var sigmoid = PlattSigmoid.Fit(values, first, weights);

        var (high, low) = Targets(first, weights);
        double slope = 0, offset = 0;
        for (var row = 0; row < values.Length; row++)
        {
            var error = weights[row] * (sigmoid.Probability(values[row]) - (first[row] ? high : low));
            slope += error * values[row] / unit;
            offset += error;
        }
        sigmoid.Slope.Should().BePositive();
        slope.Should().BeApproximately(0, 1e-8);
        offset.Should().BeApproximately(0, 1e-8);
    }

    [Fact]
    public void A_larger_value_is_never_less_probable()
    {
        var (values, first, weights) = Sample(4, 100, 1);
        var sigmoid = PlattSigmoid.Fit(values, first, weights);
        var probabilities = new[] { double.NegativeInfinity, -1e9, -2, -1, 0, 0.5, 3, 1e9, double.PositiveInfinity }.Select(sigmoid.Probability).ToArray();

        probabilities.Should().BeInAscendingOrder();
        probabilities.Should().OnlyContain(probability => probability >= 0 && probability <= 1);
        probabilities[3].Should().BeLessThan(probabilities[4]);
    }

    [Fact]
    public void Values_that_point_the_wrong_way_give_the_shares_of_the_classes()
    {
        var (values, first, weights) = Sample(5, 100, 1);
        var sigmoid = PlattSigmoid.Fit([.. values.Select(value => -value)], first, weights);

        var (high, low) = Targets(first, weights);
        var share = first.Select((is1, row) => weights[row] * (is1 ? high : low)).Sum() / weights.Sum();
        sigmoid.Slope.Should().Be(0);
        sigmoid.Probability(7).Should().BeApproximately(share, 1e-12);
    }

    [Fact]
    public void Separated_values_give_finite_numbers_that_the_targets_bound()
    {
        var sigmoid = PlattSigmoid.Fit([1, 1, 1, -1], [true, true, true, false], [1, 1, 1, 1]);

        // With one value a class the fit can meet its targets exactly: 4/5 and 1/3.
        sigmoid.Probability(1).Should().BeApproximately(4.0 / 5, 1e-9);
        sigmoid.Probability(-1).Should().BeApproximately(1.0 / 3, 1e-9);
    }

    [Fact]
    public void A_weight_of_two_is_a_value_that_is_there_twice()
    {
        var heavy = PlattSigmoid.Fit([1, 0.2, -0.3, 0.4], [true, true, false, false], [2, 1, 1, 1]);
        var twice = PlattSigmoid.Fit([1, 1, 0.2, -0.3, 0.4], [true, true, true, false, false], [1, 1, 1, 1, 1]);
        heavy.Slope.Should().BeApproximately(twice.Slope, 1e-9);
        heavy.Offset.Should().BeApproximately(twice.Offset, 1e-9);
    }

    [Fact]
    public void Values_that_are_all_zero_give_the_shares_of_the_classes() =>
        PlattSigmoid.Fit([0, 0], [true, false], [1, 1]).Probability(3).Should().BeApproximately(0.5, 1e-12);

    private static (double High, double Low) Targets(bool[] first, double[] weights)
    {
        var positive = first.Select((is1, row) => is1 ? weights[row] : 0).Sum();
        return ((positive + 1) / (positive + 2), 1 / (weights.Sum() - positive + 2));
    }

    private static (double[] Values, bool[] First, double[] Weights) Sample(int seed, int count, double unit)
    {
        var random = new Random(seed);
        var values = Enumerable.Range(0, count).Select(_ => unit * (0.3 + MachineProblem.Normal(random))).ToArray();
        return (values, [.. values.Select(value => random.NextDouble() < 1 / (1 + Math.Exp(-2 * value / unit)))], [.. values.Select(_ => 0.2 + random.NextDouble())]);
    }
}
