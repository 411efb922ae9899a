using CsCheck;

namespace Moe.Classical.Tests;

public sealed class PairwiseCouplingTests
{
    [Fact]
    public void It_recovers_probabilities_that_the_pairs_agree_on() =>
        Gen.Double[0.001, 1].Array[2, 12].Sample(
            parts =>
            {
                var expected = parts.Select(part => part / parts.Sum()).ToArray();
                var count = expected.Length;
                var pairwise = new double[count * count];
                for (var first = 0; first < count; first++)
                {
                    for (var second = 0; second < count; second++)
                        pairwise[(first * count) + second] = expected[first] / (expected[first] + expected[second]);
                }
                var coupled = new double[count];
                new PairwiseCoupling(count).Solve(pairwise, coupled);
                for (var place = 0; place < count; place++)
                    coupled[place].Should().BeApproximately(expected[place], 1e-9);
            },
            iter: 100);

    [Fact]
    public void Where_pairs_disagree_no_change_lowers_the_stated_sum_of_squares() =>
        Gen.Select(Gen.Int[0, 100_000], Gen.Int[3, 8]).Sample(
            (seed, count) =>
            {
                var random = new Random(seed);
                var pairwise = new double[count * count];
                for (var first = 0; first < count; first++)
                {
                    for (var second = first + 1; second < count; second++)
                    {
                        pairwise[(first * count) + second] = 0.02 + (0.96 * random.NextDouble());
                        pairwise[(second * count) + first] = 1 - pairwise[(first * count) + second];
                    }
                }
                var coupled = new double[count];
                new PairwiseCoupling(count).Solve(pairwise, coupled);

                coupled.Sum().Should().BeApproximately(1, 1e-12);
                coupled.Should().OnlyContain(probability => probability >= 0);
                var least = Squares(pairwise, coupled);
                for (var first = 0; first < count; first++)
                {
                    for (var second = 0; second < count; second++)
                    {
                        var moved = (double[])coupled.Clone();
                        moved[first] += 1e-4;
                        moved[second] -= 1e-4;
                        Squares(pairwise, moved).Should().BeGreaterThanOrEqualTo(least - 1e-15);
                    }
                }
            },
            iter: 50);

    [Fact]
    public void Pairs_at_their_least_and_most_give_finite_probabilities()
    {
        var pairwise = new double[16];
        for (var first = 0; first < 4; first++)
        {
            for (var second = 0; second < 4; second++)
                pairwise[(first * 4) + second] = first < second ? 1 - PairProbabilities.Least : PairProbabilities.Least;
        }
        var coupled = new double[4];
        new PairwiseCoupling(4).Solve(pairwise, coupled);
        coupled[0].Should().BeApproximately(1, 1e-5);
        coupled.Should().OnlyContain(probability => probability >= 0 && probability <= 1);
    }

    private static double Squares(double[] pairwise, double[] probabilities)
    {
        var count = probabilities.Length;
        var sum = 0.0;
        for (var first = 0; first < count; first++)
        {
            for (var second = 0; second < count; second++)
            {
                if (first != second)
                    sum += Math.Pow((pairwise[(second * count) + first] * probabilities[first]) - (pairwise[(first * count) + second] * probabilities[second]), 2);
            }
        }
        return sum;
    }
}
