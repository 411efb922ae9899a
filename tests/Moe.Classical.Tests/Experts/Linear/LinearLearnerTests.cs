using static TorchSharp.torch;

namespace Moe.Classical.Tests;

public sealed class LinearLearnerTests
{
    [Fact]
    public void A_line_through_three_points_is_the_known_one()
    {
        using var scope = NewDisposeScope();
        var model = Fit(new LinearLearner(), new FitData(tensor([0.0, 1, 2], 3, 1), Response.Real(tensor([1.0, 2, 4]))));
        model.Coefficients[0].Should().BeApproximately(5.0 / 6, 1e-12);
        model.Coefficients[1].Should().BeApproximately(1.5, 1e-12);
        model.Sigma.Should().BeApproximately(Math.Sqrt(1.0 / 18), 1e-12);
        model.StandardErrors[1].Should().BeApproximately(Math.Sqrt(1.0 / 18 / 2), 1e-12);
        model.DegreesOfFreedom.Should().Be(2);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Out_of_sample_answers_are_those_of_fits_without_the_row(bool weighted)
    {
        using var scope = NewDisposeScope();
        var data = RegressionCases.Data(ResponseKind.Real, 12);
        var weights = weighted ? RegressionCases.Numbers(12, 4, 0.1, 2) : [.. Enumerable.Repeat(1.0, 12)];
        var answers = Fit(new LinearLearner(), data.WithWeights(tensor(weights))).OutOfSample().data<double>().ToArray();
        for (var row = 0; row < 12; row++)
        {
            var others = weights.ToArray();
            others[row] = 0;
            var without = Fit(new LinearLearner(), data.WithWeights(tensor(others)));
            answers[row].Should().BeApproximately(RegressionCases.Answers(without, data.Inputs)[row], 1e-9);
        }
    }

    [Fact]
    public void A_row_that_alone_fixes_a_slope_is_answered_without_that_slope()
    {
        using var scope = NewDisposeScope();
        var data = new FitData(tensor([0.0, 0, 0, 1], 4, 1), Response.Real(tensor([1.0, 2, 3, 50])));
        Fit(new LinearLearner(), data).OutOfSample().data<double>().ToArray()[3].Should().BeApproximately(2, 1e-9);
    }

    [Fact]
    public void A_ridge_solves_its_equations()
    {
        using var scope = NewDisposeScope();
        var data = RegressionCases.Data(ResponseKind.Real, 30);
        var model = Fit(new LinearLearner(new LinearOptions { Ridge = 0.3 }), data);
        var x = data.Inputs - data.Inputs.mean([0]);
        var deviation = x.square().mean([0]).sqrt();
        var standard = x / deviation;
        var slopes = linalg.solve(standard.T.matmul(standard) + (eye(3, dtype: ScalarType.Float64) * (0.3 * 30)), standard.T.matmul(data.Response.Values.unsqueeze(1))).squeeze(1) / deviation;
        model.Coefficients.Skip(1).Zip(slopes.data<double>().ToArray()).Should().OnlyContain(pair => Math.Abs(pair.First - pair.Second) < 1e-10);
        model.DegreesOfFreedom.Should().BeGreaterThan(1).And.BeLessThan(4);
    }

    [Fact]
    public void Columns_far_from_0_and_near_each_other_are_still_told_apart()
    {
        using var scope = NewDisposeScope();
        var first = RegressionCases.Numbers(50, 1, 0, 1);
        var second = first.Zip(RegressionCases.Numbers(50, 2, 0, 1e-4), (left, right) => left + right).ToArray();
        var rows = stack([tensor(first) + 1000, tensor(second) + 1000], 1);
        var model = Fit(new LinearLearner(), new FitData(rows, Response.Real((tensor(first) * 2) - (tensor(second) * 3))));
        model.Coefficients[1].Should().BeApproximately(2, 1e-5);
        model.Coefficients[2].Should().BeApproximately(-3, 1e-5);
    }

    [Fact]
    public void Constant_and_collinear_columns_are_named()
    {
        using var scope = NewDisposeScope();
        var rows = RegressionCases.Rows(20);
        var odd = cat([rows, rows.narrow(1, 0, 1) + rows.narrow(1, 1, 1), full(20, 1, 3.0, dtype: ScalarType.Float64)], 1);
        var model = Fit(new LinearLearner(), new FitData(odd, RegressionCases.ResponseOf(ResponseKind.Real, 20)));
        model.DroppedColumns.Should().Equal(3, 4);
        model.DegreesOfFreedom.Should().Be(4);
        model.Coefficients.Skip(4).Should().OnlyContain(slope => slope == 0);
    }

    [Fact]
    public void The_variance_of_a_new_response_is_above_that_of_the_noise_and_grows_outwards()
    {
        using var scope = NewDisposeScope();
        var model = Fit(new LinearLearner(), new FitData(tensor([0.0, 1, 2], 3, 1), Response.Real(tensor([1.0, 2, 4]))));
        var variances = model.PredictVariance(tensor([1.0, 11], 2, 1)).data<double>().ToArray();
        variances[0].Should().BeApproximately(1.0 / 18 * (1 + (1.0 / 3)), 1e-12);
        variances[1].Should().BeApproximately(1.0 / 18 * (1 + (1.0 / 3) + 50), 1e-12);
    }

    [Fact]
    public void Densities_are_those_of_the_normal_distribution_and_finite_for_a_perfect_fit()
    {
        using var scope = NewDisposeScope();
        var model = Fit(new LinearLearner(), new FitData(tensor([0.0, 1, 2], 3, 1), Response.Real(tensor([1.0, 2, 4]))));
        var density = model.LogDensity(tensor([1.0], 1, 1), Response.Real(tensor([2.0]))).item<double>();
        density.Should().BeApproximately(-Math.Log(model.Sigma) - (0.5 * Math.Log(2 * Math.PI)) - (0.5 * (1.0 / 9) * 18), 1e-10);
        var perfect = Fit(new LinearLearner(), new FitData(tensor([0.0, 1, 2], 3, 1), Response.Real(tensor([1.0, 2, 3]))));
        double.IsFinite(perfect.LogDensity(tensor([1.0], 1, 1), Response.Real(tensor([2.0]))).item<double>()).Should().BeTrue();
    }

    [Fact]
    public void Options_out_of_range_are_refused()
    {
        var make = () => new LinearLearner(new LinearOptions { Ridge = -1 });
        make.Should().Throw<ArgumentException>().WithMessage("*Ridge (-1)*");
    }

    private static LinearModel Fit(LinearLearner learner, FitData data) => (LinearModel)learner.Fit(data, FitContext.Default);
}
