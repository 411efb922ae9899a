namespace Moe.Classical.Tests;

public sealed class SlopePenaltyTests
{
    private static readonly double[] Relative = RegressionCases.Numbers(9, 5, -2, 2);

    [Fact]
    public void It_does_not_depend_on_which_class_the_others_are_relative_to()
    {
        var penalty = SlopePenalty.Of(Relative, 3, 4, 1.7);
        double[] all = [.. new double[3], .. Relative];
        SlopePenalty.Of(all, 3, 4, 1.7).Should().BeApproximately(penalty, 1e-12);
        var moved = all.Select((value, place) => value + (place % 3) - 5).ToArray();
        SlopePenalty.Of(moved, 3, 4, 1.7).Should().BeApproximately(penalty, 1e-12);
    }

    [Fact]
    public void Derivatives_are_those_of_its_value_and_intercepts_are_free()
    {
        var (gradient, hessian) = (new double[9], new double[81]);
        SlopePenalty.AddGradient(Relative, 3, 4, 1.7, gradient);
        SlopePenalty.AddHessian(9, 3, 4, 1.7, hessian, 9);
        for (var place = 0; place < 9; place++)
        {
            double[] up = [.. Relative], down = [.. Relative], above = new double[9], below = new double[9];
            (up[place], down[place]) = (up[place] + 1e-3, down[place] - 1e-3);
            gradient[place].Should().BeApproximately((SlopePenalty.Of(up, 3, 4, 1.7) - SlopePenalty.Of(down, 3, 4, 1.7)) / 2e-3, 1e-9);
            SlopePenalty.AddGradient(up, 3, 4, 1.7, above);
            SlopePenalty.AddGradient(down, 3, 4, 1.7, below);
            for (var other = place; other < 9; other++)
                hessian[(place * 9) + other].Should().BeApproximately((above[other] - below[other]) / 2e-3, 1e-9);
        }
        gradient.Where((_, place) => place % 3 == 0).Should().OnlyContain(value => value == 0);
    }
}
