using static TorchSharp.torch;

namespace Moe.Classical.Tests;

public sealed class SoftmaxRegressionTests
{
    [Theory]
    [InlineData(3, 0.0)]
    [InlineData(3, 2.0)]
    [InlineData(60, 2.0)]
    public void The_gradient_is_0_at_the_optimum_by_either_method(int classes, double penalty)
    {
        var (terms, shares, weights) = Problem(classes);
        var regression = new SoftmaxRegression(terms, classes);
        regression.Fit(shares, weights, penalty, 200);
        regression.Converged.Should().BeTrue();
        double[] w = [.. new double[4], .. regression.Coefficients];
        for (var k = 0; k < classes; k++)
        {
            for (var term = 0; term < 4; term++)
            {
                var mean = Enumerable.Range(0, classes).Average(other => w[(other * 4) + term]);
                var gradient = term == 0 ? 0 : -penalty * (w[(k * 4) + term] - mean);
                for (var row = 0; row < 50; row++)
                    gradient += weights[row] * (shares[(row * classes) + k] - Softmax(terms, w, row, k, classes)) * terms.Row(row)[term];
                gradient.Should().BeApproximately(0, classes == 3 ? 1e-5 : 1e-3);
            }
        }
    }

    [Fact]
    public void Every_step_improves_the_objective()
    {
        var (terms, shares, weights) = Problem(3);
        var regression = new SoftmaxRegression(terms, 3);
        var last = double.NegativeInfinity;
        for (var step = 0; step < 6; step++)
        {
            regression.Fit(shares, weights, 0.5, 1);
            regression.Objective.Should().BeGreaterThanOrEqualTo(last);
            last = regression.Objective;
        }
    }

    [Theory]
    [InlineData(1)]
    [InlineData(120)]
    public void Classes_that_the_terms_separate_are_told_by_either_method(int columns)
    {
        var (rows, shares) = (new double[300 * columns], new double[900]);
        var noise = RegressionCases.Numbers(300 * columns, 4, 0, 0.1);
        for (var row = 0; row < 300; row++)
        {
            for (var column = 0; column < columns; column++)
                rows[(row * columns) + column] = noise[(row * columns) + column] + (column == 0 ? row / 100 : 0);
            shares[(3 * row) + (row / 100)] = 1;
        }
        var (terms, weights) = (new StandardTerms(rows, columns, null, [], combinations: false), Enumerable.Repeat(1.0, 300).ToArray());
        var regression = new SoftmaxRegression(terms, 3);
        regression.Separates(weights).Should().BeFalse();
        regression.Fit(shares, weights, 0, 100);
        regression.Separates(weights).Should().BeTrue();
        regression.Coefficients.Should().OnlyContain(value => double.IsFinite(value));
        regression.Fit(shares, weights, 3, 100);
        regression.Separates(weights).Should().BeFalse();
    }

    [Fact]
    public void Coefficients_of_the_columns_as_they_are_start_the_same_regression()
    {
        var (terms, shares, weights) = Problem(3);
        var first = new SoftmaxRegression(terms, 3);
        first.Fit(shares, weights, 0.5, 50);
        var second = new SoftmaxRegression(terms, 3);

        // Whatever is added to all classes.
        second.StartFrom([.. first.ToRaw().Select((value, place) => value + (place % 4))]);
        for (var place = 0; place < first.Coefficients.Length; place++)
            second.Coefficients[place].Should().BeApproximately(first.Coefficients[place], 1e-12);
        for (var place = 0; place < first.Log.Length; place++)
            second.Log[place].Should().BeApproximately(first.Log[place], 1e-12);
    }

    private static (StandardTerms Terms, double[] Shares, double[] Weights) Problem(int classes)
    {
        using var scope = NewDisposeScope();
        var weights = RegressionCases.Numbers(50, 3, 0.1, 2);
        var terms = new StandardTerms(RegressionCases.Numbers(150, 1, -1, 5), 3, null, weights, combinations: false);
        var shares = RegressionCases.Numbers(50 * classes, 2, 0, 1);
        for (var row = 0; row < 50; row++)
        {
            var sum = shares.Skip(row * classes).Take(classes).Sum();
            for (var place = row * classes; place < (row + 1) * classes; place++)
                shares[place] /= sum;
        }
        return (terms, shares, weights);
    }

    private static double Softmax(StandardTerms terms, double[] w, int row, int k, int classes)
    {
        var scores = Enumerable.Range(0, classes).Select(other => Math.Exp(Products.Dot(terms.Row(row), w.AsSpan(other * 4, 4)))).ToArray();
        return scores[k] / scores.Sum();
    }
}
