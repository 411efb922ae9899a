using static TorchSharp.torch;

namespace Moe.Classical.Tests;

public sealed class GoldenMixtureTests
{
    [Theory]
    [MemberData(nameof(Golden.Names), MemberType = typeof(Golden))]
    public void From_the_given_start_the_likelihood_follows_the_trace(string name)
    {
        using var scope = NewDisposeScope();
        var golden = Golden.Read(name);
        var report = golden.Learner(new EmOptions { Tolerance = 1e-12, Polish = false }).Fit(golden.Data, responsibilities: golden.Start()).Report!;
        report.Trace.Count.Should().BeGreaterThanOrEqualTo(golden.Trace.Length);
        for (var iteration = 0; iteration < golden.Trace.Length; iteration++)
            report.Trace[iteration].Should().BeApproximately(golden.Trace[iteration], 1e-6, "iteration {0}", iteration + 1);
        report.LargestDecrease.Should().Be(0);
    }

    [Theory]
    [MemberData(nameof(Golden.Names), MemberType = typeof(Golden))]
    public void From_the_given_start_it_ends_at_the_exact_maximum(string name)
    {
        using var scope = NewDisposeScope();
        var golden = Golden.Read(name);
        var mixture = golden.Learner(new EmOptions()).Fit(golden.Data, responsibilities: golden.Start());
        ShouldBeTheMaximum(mixture, golden);
    }

    [Theory]
    [MemberData(nameof(Golden.Names), MemberType = typeof(Golden))]
    public void From_starts_of_its_own_it_finds_the_same_maximum(string name)
    {
        using var scope = NewDisposeScope();
        var golden = Golden.Read(name);
        var mixture = golden.Learner(new EmOptions { Seed = 3 }).Fit(golden.Data);
        mixture.Report!.Starts.Should().HaveCount(20);
        ShouldBeTheMaximum(mixture, golden);
    }

    [Fact]
    public void Where_the_gate_has_no_finite_maximum_the_likelihood_comes_to_its_bound()
    {
        using var scope = NewDisposeScope();
        var data = Golden.Read("mcycle_gauss2").Data;
        var mixture = MixtureLearner.Alike(4, new LinearLearner(), new EmOptions { Restarts = 40 }).Fit(data);
        var report = mixture.Report!;
        report.Separation.Should().BeTrue();
        report.LogLikelihood.Should().BeInRange(-551.2, -550.2);
        mixture.forward(data.Inputs).isfinite().all().item<bool>().Should().BeTrue();
        report.ToString().Should().NotContain("NaN");
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(2)]
    public void Three_lines_whose_gate_separates_are_found_from_starts_of_its_own(int seed)
    {
        using var scope = NewDisposeScope();
        var data = Golden.Read("mcycle_gauss2").Data;
        var mixture = MixtureLearner.Alike(3, new LinearLearner(), new EmOptions { Seed = seed }).Fit(data);
        var report = mixture.Report!;
        report.LogLikelihood.Should().BeInRange(-578.13, -577.62);
        report.Separation.Should().BeTrue();
        report.LargestDecrease.Should().Be(0);
        mixture.forward(data.Inputs).isfinite().all().item<bool>().Should().BeTrue();
        report.Coefficients().Should().OnlyContain(row => double.IsFinite(row.Estimate) && (row.StandardError == null || double.IsFinite(row.StandardError.Value)));
    }

    [Theory]
    [InlineData(3, -582.19)]
    [InlineData(4, -554.88)]
    public void A_ridge_gives_a_gate_that_would_separate_a_finite_maximum(int experts, double least)
    {
        using var scope = NewDisposeScope();
        var data = Golden.Read("mcycle_gauss2").Data;
        for (var seed = 0; seed < 3; seed++)
        {
            var report = MixtureLearner.Alike(experts, new LinearLearner(), new EmOptions { Seed = seed, GateRidge = 1e-4 }).Fit(data).Report!;
            report.Status.Should().Be(EmStatus.Converged);
            report.Separation.Should().BeFalse();
            report.LogLikelihood.Should().BeGreaterThan(least);
            report.Coefficients().Where(row => row.Part.StartsWith("gate")).Should().OnlyContain(row => Math.Abs(row.Estimate) < 300 && row.StandardError > 0);
        }
    }

    [Fact]
    public void Counts_as_large_as_they_come_are_polished_too()
    {
        using var scope = NewDisposeScope();
        var random = new Random(4);
        var x = Enumerable.Range(0, 80).Select(row => row / 40.0).ToArray();
        var y = x.Select(value => Math.Round(Math.Exp((random.Next(2) == 0 ? 9 : 9.02) + value) * (0.99 + (0.02 * random.NextDouble())))).ToArray();
        var report = MixtureLearner.Alike(2, new GlmLearner(GlmFamily.Poisson), new EmOptions { Tolerance = 1e-3, Restarts = 4 }).Fit(new FitData(tensor(x, [80, 1]), Response.Count(tensor(y)))).Report!;
        report.PolishSteps.Should().BePositive();
        report.Reason.Should().Be("the gradient of the log-likelihood vanishes");
    }

    private static void ShouldBeTheMaximum(FittedMixture mixture, Golden golden)
    {
        var report = mixture.Report!;
        report.Status.Should().Be(EmStatus.Converged);
        report.Separation.Should().BeFalse();
        report.LogLikelihood.Should().BeApproximately(golden.Exact("loglik"), 1e-7);
        mixture.LogLikelihood(golden.Data).Should().BeApproximately(golden.Exact("loglik"), 1e-6);
        report.DegreesOfFreedom.Should().Be(golden.Exact("df"));
        mixture.DegreesOfFreedom.Should().Be(golden.Exact("df"));
        report.Aic.Should().BeApproximately(golden.Exact("aic"), 1e-5);
        report.Bic.Should().BeApproximately(golden.Exact("bic"), 1e-5);
        report.Icl.Should().BeApproximately(golden.Exact("icl"), 1e-3);

        var table = report.Coefficients();
        var (expected, errors) = (golden.Parameters(), golden.StandardErrors());
        table.Should().HaveCount(expected.Length);
        for (var place = 0; place < expected.Length; place++)
        {
            table[place].Estimate.Should().BeApproximately(expected[place], 1e-6 * Math.Abs(expected[place]), "{0}", table[place]);
            table[place].StandardError!.Value.Should().BeApproximately(errors[place], 0.01 * errors[place], "{0}", table[place]);
        }
        using var gate = ((SoftmaxGate)mixture.Gate).Coefficients().slice(0, 1, golden.Experts, 1).contiguous();
        foreach (var (actual, wanted) in gate.data<double>().Zip(golden.GateCoefficients()))
            actual.Should().BeApproximately(wanted, 1e-6 * Math.Abs(wanted));
        ShouldAnswerAsTheRows(mixture, golden);
    }

    private static void ShouldAnswerAsTheRows(FittedMixture mixture, Golden golden)
    {
        var (inputs, response, rows) = (golden.Data.Inputs, golden.Data.Response, golden.Rows);
        for (var expert = 1; expert <= golden.Experts; expert++)
        {
            ShouldBe(mixture.Gates(inputs).select(1, expert - 1), rows[$"gate{expert}"]);
            ShouldBe(mixture.Responsibilities(inputs, response).select(1, expert - 1), rows[$"resp{expert}"]);
            ShouldBe(mixture.PredictEach(inputs).select(1, expert - 1).select(1, 0), rows[$"mean{expert}"], relative: true);
        }
        ShouldBe(mixture.forward(inputs).select(1, 0), rows["mix_mean"], relative: true);
        ShouldBe(mixture.Variance(inputs), rows["mix_var"], relative: true);
        ShouldBe(mixture.LogDensity(inputs, response), rows["loglik"]);
        mixture.Assign(inputs, response).data<long>().Select(expert => expert + 1.0).Should().Equal(rows["map"]);
        mixture.Report!.Priors.Should().HaveCount(golden.Experts).And.Subject.Sum().Should().BeApproximately(1, 1e-12);
    }

    private static void ShouldBe(Tensor actual, double[] expected, bool relative = false)
    {
        using var plain = actual.contiguous();
        var values = plain.data<double>().ToArray();
        values.Should().HaveCount(expected.Length);
        for (var row = 0; row < values.Length; row++)
            values[row].Should().BeApproximately(expected[row], 1e-4 * (relative ? Math.Max(1, Math.Abs(expected[row])) : 1), "row {0}", row);
    }
}
