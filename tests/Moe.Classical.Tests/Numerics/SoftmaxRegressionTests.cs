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
