using static TorchSharp.torch;

namespace Moe.Classical.Tests;

public sealed class GlmLearnerTests
{
    [Theory]
    [InlineData(GlmFamily.Poisson)]
    [InlineData(GlmFamily.Binomial)]
    public void The_score_is_0_at_the_fit_and_the_errors_are_those_of_its_curvature(GlmFamily family)
    {
        using var scope = NewDisposeScope();
        var data = RegressionCases.Data(GeneralizedLinearModel.ResponseOf(family)).WithWeights(tensor(RegressionCases.Numbers(60, 4, 0.1, 2)));
        var model = Fit(new GlmLearner(family), data);
        model.Converged.Should().BeTrue();
        model.Separated.Should().BeFalse();
        var best = model.Coefficients.ToArray();
        var information = new double[16];
        const double Step = 1e-3;
        for (var first = 0; first < 4; first++)
        {
            ((Likelihood(family, data, best, (first, 1e-5)) - Likelihood(family, data, best, (first, -1e-5))) / 2e-5).Should().BeApproximately(0, 1e-5);
            for (var second = 0; second < 4; second++)
            {
                information[(first * 4) + second] = -(Likelihood(family, data, best, (first, Step), (second, Step)) - Likelihood(family, data, best, (first, Step), (second, -Step))
                    - Likelihood(family, data, best, (first, -Step), (second, Step)) + Likelihood(family, data, best, (first, -Step), (second, -Step))) / (4 * Step * Step);
            }
        }
        var covariance = linalg.inv(tensor(information, 4, 4)).diagonal().sqrt().data<double>().ToArray();
        model.StandardErrors.Zip(covariance).Should().OnlyContain(pair => Math.Abs((pair.First / pair.Second) - 1) < 1e-4);
    }

    [Fact]
    public void A_group_has_the_mean_of_its_counts()
    {
        using var scope = NewDisposeScope();
        var model = Fit(new GlmLearner(GlmFamily.Poisson), new FitData(tensor([0.0, 0, 1, 1], 4, 1), Response.Count(tensor([1.0, 2, 5, 7]))));
        model.Coefficients[0].Should().BeApproximately(Math.Log(1.5), 1e-9);
        model.Coefficients[1].Should().BeApproximately(Math.Log(4), 1e-9);
        RegressionCases.Answers(model, tensor([1.0], 1, 1))[0].Should().BeApproximately(6, 1e-8);
    }

    [Fact]
    public void Log_densities_have_all_constants()
    {
        using var scope = NewDisposeScope();
        var rows = tensor([0.0, 0, 1, 1], 4, 1);
        var poisson = Fit(new GlmLearner(GlmFamily.Poisson), new FitData(rows, Response.Count(tensor([1.0, 2, 5, 7]))));
        poisson.LogDensity(tensor([1.0], 1, 1), Response.Count(tensor([3.0]))).item<double>().Should().BeApproximately(Math.Log(Math.Exp(-6) * 216 / 6), 1e-8);
        var binomial = Fit(new GlmLearner(GlmFamily.Binomial), new FitData(rows, Response.Binomial(tensor([1.0, 2, 3, 3]), tensor([4.0, 4, 4, 4]))));
        binomial.LogDensity(tensor([1.0], 1, 1), Response.Binomial(tensor([2.0]), tensor([4.0]))).item<double>()
            .Should().BeApproximately(Math.Log(6 * 0.75 * 0.75 * 0.25 * 0.25), 1e-8);
    }

    [Fact]
    public void Separated_rows_end_safely_and_are_told_and_a_ridge_helps()
    {
        using var scope = NewDisposeScope();
        var data = new FitData(tensor([1.0, 2, 3, 4], 4, 1), Response.Binomial(tensor([0.0, 0, 1, 1]), tensor([1.0, 1, 1, 1])));
        var model = Fit(new GlmLearner(GlmFamily.Binomial), data);
        model.Separated.Should().BeTrue();
        model.Coefficients.Should().OnlyContain(value => double.IsFinite(value));
        RegressionCases.Answers(model, data.Inputs).Should().OnlyContain(value => value >= 0 && value <= 1);
        var held = Fit(new GlmLearner(GlmFamily.Binomial, new GlmOptions { Ridge = 0.01 }), data);
        held.Separated.Should().BeFalse();
        held.Coefficients[1].Should().BeInRange(0.1, 20);
    }

    [Fact]
    public void Counts_that_are_all_0_end_safely()
    {
        using var scope = NewDisposeScope();
        var data = new FitData(RegressionCases.Rows(10), Response.Count(zeros(10, dtype: ScalarType.Float64)));
        var model = Fit(new GlmLearner(GlmFamily.Poisson), data);
        model.Separated.Should().BeTrue();
        RegressionCases.Answers(model, data.Inputs).Should().OnlyContain(value => value >= 0 && value < 1e-6);
    }

    [Fact]
    public void A_fit_from_the_one_before_takes_hardly_a_step_and_ends_at_the_same_place()
    {
        using var scope = NewDisposeScope();
        var data = RegressionCases.Data(ResponseKind.Count);
        var learner = new GlmLearner(GlmFamily.Poisson);
        var first = Fit(learner, data);
        var again = (GeneralizedLinearModel)learner.Fit(data, new FitContext { Previous = first });
        again.Steps.Should().BeLessThan(first.Steps);
        again.Coefficients.Zip(first.Coefficients).Should().OnlyContain(pair => Math.Abs(pair.First - pair.Second) < 1e-8);
    }

    [Fact]
    public void Options_out_of_range_are_refused()
    {
        var make = () => new GlmLearner(GlmFamily.Poisson, new GlmOptions { Ridge = double.NaN, MaxSteps = 0 });
        make.Should().Throw<ArgumentException>().WithMessage("*Ridge (NaN)*MaxSteps (0)*");
        var none = () => new GlmLearner((GlmFamily)9);
        none.Should().Throw<ArgumentException>();
    }

    private static GeneralizedLinearModel Fit(GlmLearner learner, FitData data) => (GeneralizedLinearModel)learner.Fit(data, FitContext.Default);

    private static double Likelihood(GlmFamily family, FitData data, double[] best, params (int Place, double Step)[] moves)
    {
        var coefficients = best.ToArray();
        foreach (var (place, step) in moves)
            coefficients[place] += step;
        var model = new GeneralizedLinearModel(family, coefficients, new double[coefficients.Length]);
        return (model.LogDensity(data.Inputs, data.Response) * data.Weights!).sum().item<double>();
    }
}
