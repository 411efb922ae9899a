using static TorchSharp.torch;

namespace Moe.Classical.Tests;

public sealed class GaussianProcessLearnerTests
{
    private static readonly GaussianProcessParameters Known = new() { SignalVariance = 2, NoiseVariance = 0.3, LengthScales = [0.8] };

    private static GaussianProcessLearner Held(double noise = 0.3) => new(new() { Parameters = Known with { NoiseVariance = noise }, Standardise = false });

    [Fact]
    public void The_posterior_is_the_textbooks()
    {
        var weights = Waves.Weights(12);
        var data = Waves.Make(12, 2, 1, weights);
        using var rows = Waves.Make(5, 2, 2).Inputs;
        var kernel = new RbfKernel { LengthScale = 0.8 };
        var relative = data.Weights! / data.Weights!.mean();
        var covariance = (2 * kernel.Between(data.Inputs, data.Inputs)) + diag(0.3 / relative);
        var cross = 2 * kernel.Between(rows, data.Inputs);
        var inverse = linalg.inv(covariance);
        var mean = cross.matmul(inverse).matmul(data.Response.Values);
        var variance = 2 - (cross.matmul(inverse) * cross).sum(dim: 1) + 0.3;
        var expert = (GaussianProcessExpert)Held().Fit(data, FitContext.Default);
        KernelFamilyTests.Close(Waves.Doubles(expert.forward(rows)), Waves.Doubles(mean), 1e-9);
        KernelFamilyTests.Close(Waves.Doubles(expert.PredictVariance(rows)), Waves.Doubles(variance), 1e-9);
        expert.DegreesOfFreedom.Should().BeApproximately((2 * kernel.Between(data.Inputs, data.Inputs)).matmul(inverse).trace().item<double>(), 1e-9);
        var given = Waves.Make(5, 2, 2).Response;
        var density = -0.5 * (((given.Values - mean).square() / variance) + (2 * Math.PI * variance).log());
        KernelFamilyTests.Close(Waves.Doubles(expert.LogDensity(rows, given)), Waves.Doubles(density), 1e-9);
    }

    [Fact]
    public void Leaving_one_out_is_what_refits_say()
    {
        var weights = Waves.Weights(10);
        var data = Waves.Make(10, 1, 3, weights);
        var expert = (GaussianProcessExpert)Held().Fit(data, FitContext.Default);
        var (means, variances) = (Waves.Doubles(expert.OutOfSample()), Waves.Doubles(expert.OutOfSampleVariance()));
        for (var row = 0; row < 10; row++)
        {
            // The noise of each row that stays is held: σ² is that of a row of mean weight.
            var others = (weights.Sum() - weights[row]) / 9;
            var refit = (GaussianProcessExpert)Held(0.3 * weights.Average() / others).Fit(data.Select(Waves.Others(10, row)), FitContext.Default);
            using var at = data.Inputs.narrow(0, row, 1);
            refit.forward(at).item<double>().Should().BeApproximately(means[row], 1e-9);
            (refit.PredictVariance(at).item<double>() - refit.Parameters.NoiseVariance + 0.3).Should().BeApproximately(variances[row], 1e-9);
        }
    }

    [Fact]
    public void A_weight_of_two_is_a_row_twice_at_the_same_noise()
    {
        var data = Waves.Make(8, 1, 6, [2, 1, 1, 1, 1, 1, 1, 1]);
        var twice = Waves.Make(8, 1, 6).Select(tensor(new[] { 0L, 0, 1, 2, 3, 4, 5, 6, 7 }));
        var weighted = Held(0.3 * 8 / 9).Fit(data, FitContext.Default);
        KernelFamilyTests.Close(Waves.Doubles(weighted.forward(data.Inputs)), Waves.Doubles(Held().Fit(twice, FitContext.Default).forward(data.Inputs)), 1e-9);
    }

    public static TheoryData<StationaryKernel, int> Gradients { get; } = new()
    {
        { new RbfKernel(), 1 },
        { new RbfKernel(), 3 },
        { new MaternKernel { Smoothness = MaternSmoothness.Half }, 3 },
        { new MaternKernel { Smoothness = MaternSmoothness.ThreeHalves }, 3 },
        { new MaternKernel(), 1 },
    };

    [Theory]
    [MemberData(nameof(Gradients))]
    public void The_gradient_of_the_likelihood_is_that_of_differences(StationaryKernel kernel, int scales)
    {
        var data = Waves.Make(14, 3, 4);
        var likelihood = new MarginalLikelihood(kernel, data.Inputs, data.Response.Values, Waves.Weights(14));
        double[] point = [0.3, -1.2, .. new[] { 0.2, -0.1, 0.5 }.Take(scales)];
        var gradient = new double[point.Length];
        likelihood.At(point, gradient);
        for (var place = 0; place < point.Length; place++)
        {
            var (up, down) = (point.ToArray(), point.ToArray());
            up[place] += 1e-5;
            down[place] -= 1e-5;
            var difference = (likelihood.At(up, new double[point.Length]) - likelihood.At(down, new double[point.Length])) / 2e-5;
            gradient[place].Should().BeApproximately(difference, 1e-5);
        }
    }

    [Fact]
    public void Motorcycle_crashes_are_foretold_and_a_warm_refit_agrees()
    {
        var table = Csv.Read("mcycle.csv");
        var data = new FitData(table.Matrix("times"), Response.Real(table.Column("y")));
        var squares = 0.0;
        for (var fold = 0; fold < 5; fold++)
        {
            using var test = Digits.Rows(table["fold"], fold, outside: false);
            var part = data.Select(Digits.Rows(table["fold"], fold, outside: true));
            var expert = new GaussianProcessLearner().Fit(part, FitContext.Default);
            var held = data.Select(test);
            squares += (expert.forward(held.Inputs).squeeze(1) - held.Response.Values).square().sum().item<double>();
            var warm = (GaussianProcessExpert)new GaussianProcessLearner().Fit(part, FitContext.Default with { Previous = expert });
            warm.LogMarginalLikelihood.Should().BeApproximately(((GaussianProcessExpert)expert).LogMarginalLikelihood, 0.01);
        }
        Math.Sqrt(squares / data.Rows).Should().BeLessThan(26);
    }

    [Fact]
    public void Columns_that_do_not_matter_get_long_scales()
    {
        var expert = (GaussianProcessExpert)new GaussianProcessLearner(new() { SeparateLengthScales = true }).Fit(Waves.Make(60, 2, 5), FitContext.Default);
        expert.Parameters.LengthScales[1].Should().BeGreaterThan(5 * expert.Parameters.LengthScales[0]);
    }

    [Fact]
    public void More_rows_than_the_most_leave_the_lightest_out()
    {
        var weights = Enumerable.Range(0, 30).Select(row => row < 10 ? 0.1 : 1.0).ToArray();
        var data = Waves.Make(30, 1, 6, weights);
        var capped = new GaussianProcessLearner(new() { Parameters = Known, Standardise = false, MaxRows = 20 }).Fit(data, FitContext.Default);
        var heavy = Held().Fit(data.Select(arange(10, 30, dtype: ScalarType.Int64)), FitContext.Default);
        KernelFamilyTests.Close(Waves.Doubles(capped.forward(data.Inputs)), Waves.Doubles(heavy.forward(data.Inputs)), 1e-9);
    }
}
