using static TorchSharp.torch;

namespace Moe.Classical.Tests;

public sealed class SoftmaxLearnerTests
{
    [Fact]
    public void Two_classes_without_a_ridge_are_a_logistic_regression()
    {
        using var scope = NewDisposeScope();
        var rows = RegressionCases.Rows(60);
        var labels = RegressionCases.Numbers(60, 3, 0, 2).Select(Math.Floor).ToArray();
        var softmax = Fit(new SoftmaxOptions { Ridge = 0 }, new FitData(rows, Response.Class(tensor(labels), 2)));
        var logistic = new GlmLearner(GlmFamily.Binomial).Fit(new FitData(rows, Response.Binomial(tensor(labels), ones(60, dtype: ScalarType.Float64))), FitContext.Default);
        softmax.Coefficients.Skip(4).Zip(((GeneralizedLinearModel)logistic).Coefficients).Should().OnlyContain(pair => Math.Abs(pair.First - pair.Second) < 1e-7);
        softmax.Coefficients.Take(4).Should().OnlyContain(value => value == 0);
        softmax.DegreesOfFreedom.Should().Be(4);
    }

    [Fact]
    public void Digits_are_told_apart_on_rows_left_out()
    {
        using var scope = NewDisposeScope();
        var (inputs, labels, fold) = Digits.Load();
        var data = new FitData(inputs, Response.Class(labels, 10));
        var expert = Fit(new SoftmaxOptions(), data.Select(Digits.Rows(fold, 0, outside: true)));
        expert.Converged.Should().BeTrue();
        var test = data.Select(Digits.Rows(fold, 0, outside: false));
        var right = expert.forward(test.Inputs).argmax(1).eq(test.Response.Values.to(ScalarType.Int64)).to(ScalarType.Float64).mean().item<double>();
        right.Should().BeGreaterThanOrEqualTo(0.95);
    }

    [Fact]
    public void Classes_that_no_row_has_get_a_small_probability_and_one_class_only_is_legal()
    {
        using var scope = NewDisposeScope();
        var rows = RegressionCases.Rows(10);
        var model = Fit(new SoftmaxOptions(), new FitData(rows, Response.Class(full(10, 2.0, dtype: ScalarType.Float64), 4)));
        model.PresentClasses.Should().Equal(2);
        RegressionCases.Answers(model, rows.narrow(0, 0, 1)).Should().Equal([1e-6, 1e-6, 1 - 3e-6, 1e-6], (left, right) => Math.Abs(left - right) < 1e-12);
        model.LogDensity(rows, Response.Class(zeros(10, dtype: ScalarType.Float64), 4)).data<double>().ToArray().Should().OnlyContain(value => Math.Abs(value - Math.Log(1e-6)) < 1e-9);
    }

    [Fact]
    public void Separated_classes_without_a_ridge_are_told_and_answers_stay_finite()
    {
        using var scope = NewDisposeScope();
        var data = new FitData(tensor([1.0, 2, 3, 4, 5, 6], 6, 1), Response.Class(tensor([0.0, 0, 1, 1, 2, 2]), 3));
        var model = Fit(new SoftmaxOptions { Ridge = 0 }, data);
        model.Separated.Should().BeTrue();
        model.forward(data.Inputs).argmax(1).data<long>().ToArray().Should().Equal(0, 0, 1, 1, 2, 2);
        Fit(new SoftmaxOptions(), data).Separated.Should().BeFalse();
    }

    [Fact]
    public void A_row_at_the_end_of_the_numbers_is_answered_without_NaN()
    {
        using var scope = NewDisposeScope();
        var model = Fit(new SoftmaxOptions(), RegressionCases.Data(ResponseKind.Class));
        RegressionCases.Answers(model, tensor([1e308, -1e308, 1e308], 1, 3)).Should().OnlyContain(value => value >= 0 && value <= 1);
    }

    [Fact]
    public void Options_out_of_range_are_refused()
    {
        var make = () => new SoftmaxLearner(new SoftmaxOptions { Ridge = -1, MaxSteps = 0 });
        make.Should().Throw<ArgumentException>().WithMessage("*Ridge (-1)*MaxSteps (0)*");
    }

    private static SoftmaxModel Fit(SoftmaxOptions options, FitData data) => (SoftmaxModel)new SoftmaxLearner(options).Fit(data, FitContext.Default);
}
