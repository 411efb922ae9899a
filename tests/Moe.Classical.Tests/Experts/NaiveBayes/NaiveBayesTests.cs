using static TorchSharp.torch;

namespace Moe.Classical.Tests;

public sealed class NaiveBayesTests
{
    [Fact]
    public void Gaussian_probabilities_are_those_of_the_densities_by_hand()
    {
        using var scope = NewDisposeScope();
        var data = new FitData(tensor([0.0, 2, 5, 9], 4, 1), Response.Class(tensor([0.0, 0, 1, 1]), 2));
        var model = new GaussianNaiveBayes(new GaussianNaiveBayesOptions { Smoothing = 0 }).Fit(data, FitContext.Default);
        var (first, second) = (Math.Exp(-0.5 * 4), Math.Exp(-0.5 * 16 / 4) / 2);
        RegressionCases.Answers(model, tensor([3.0], 1, 1))[0].Should().BeApproximately(first / (first + second), 1e-12);
    }

    [Fact]
    public void Gaussian_moments_are_weighted_and_smoothed_by_the_largest_variance()
    {
        using var scope = NewDisposeScope();
        var data = new FitData(tensor([0.0, 2, 5, 9], 4, 1), Response.Class(tensor([0.0, 0, 1, 1]), 2), tensor([3.0, 1, 1, 1]));
        var model = (GaussianNaiveBayesModel)new GaussianNaiveBayes(new GaussianNaiveBayesOptions { Smoothing = 0.1 }).Fit(data, FitContext.Default);
        model.Means.Should().Equal([0.5, 7.0], (left, right) => Math.Abs(left - right) < 1e-12);
        var whole = ((4 + 25 + 81) / 6.0) - (16.0 / 6 * (16.0 / 6));
        model.Variances.Should().Equal([0.75 + (0.1 * whole), 4 + (0.1 * whole)], (left, right) => Math.Abs(left - right) < 1e-12);
        Math.Exp(model.LogPriors[0]).Should().BeApproximately(4.0 / 6, 1e-12);
    }

    [Fact]
    public void Multinomial_probabilities_follow_Laplaces_rule()
    {
        using var scope = NewDisposeScope();
        var data = new FitData(tensor([2.0, 1, 0, 3], 2, 2), Response.Class(tensor([0.0, 1]), 2));
        var model = new MultinomialNaiveBayes().Fit(data, FitContext.Default);
        RegressionCases.Answers(model, tensor([1.0, 0], 1, 2))[0].Should().BeApproximately(0.6 / (0.6 + 0.2), 1e-12);
    }

    [Fact]
    public void Bernoulli_probabilities_count_what_is_off_too()
    {
        using var scope = NewDisposeScope();
        var data = new FitData(tensor([1.0, 0, 1, 1, 0, 1], 3, 2), Response.Class(tensor([0.0, 0, 1]), 2));
        var model = new BernoulliNaiveBayes().Fit(data, FitContext.Default);
        var (first, second) = (2.0 / 3 * 0.75 * 0.5, 1.0 / 3 * (1.0 / 3) * (1.0 / 3));
        RegressionCases.Answers(model, tensor([7.0, 0], 1, 2))[0].Should().BeApproximately(first / (first + second), 1e-12);
    }

    [Fact]
    public void Digits_are_told_apart_with_some_smoothing()
    {
        using var scope = NewDisposeScope();
        var (inputs, labels, fold) = Digits.Load();
        var data = new FitData(inputs, Response.Class(labels, 10));
        var expert = new GaussianNaiveBayes(new GaussianNaiveBayesOptions { Smoothing = 0.05 }).Fit(data.Select(Digits.Rows(fold, 0, outside: true)), FitContext.Default);
        var test = data.Select(Digits.Rows(fold, 0, outside: false));
        expert.forward(test.Inputs).argmax(1).eq(test.Response.Values.to(ScalarType.Int64)).to(ScalarType.Float64).mean().item<double>().Should().BeGreaterThanOrEqualTo(0.89);
    }

    [Fact]
    public void Negative_counts_and_options_out_of_range_are_refused()
    {
        using var scope = NewDisposeScope();
        var fit = () => new MultinomialNaiveBayes().Fit(new FitData(tensor([2.0, -1], 2, 1), Response.Class(tensor([0.0, 1]), 2)), FitContext.Default);
        fit.Should().Throw<ArgumentException>().WithMessage("*-1*");
        foreach (var make in new Action[] { () => _ = new GaussianNaiveBayes(new() { Smoothing = -1 }), () => _ = new MultinomialNaiveBayes(new() { Smoothing = -1 }), () => _ = new BernoulliNaiveBayes(new() { Smoothing = -1 }) })
            make.Should().Throw<ArgumentException>().WithMessage("*Smoothing (-1)*");
    }
}
