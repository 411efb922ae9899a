using Moe.Core;
using static TorchSharp.torch;

namespace Moe.Classical.Tests;

public sealed class MixtureLearnerTests
{
    private static readonly GlmLearner Binomial = new(GlmFamily.Binomial);

    [Fact]
    public void Successes_out_of_trials_are_recovered_within_their_standard_errors()
    {
        using var scope = NewDisposeScope();
        var data = Draws.TwoCurves(600, seed: 4);
        var report = MixtureLearner.Alike(2, Binomial).Fit(data).Report!;
        report.Converged.Should().BeTrue();
        double[] expected = [-0.5, 1, -1.5, 1, 1.5, -0.5];
        var table = report.Coefficients();
        table.Should().HaveCount(expected.Length);
        for (var place = 0; place < expected.Length; place++)
            Math.Abs(table[place].Estimate - expected[place]).Should().BeLessThan(3.5 * table[place].StandardError!.Value, "{0}", table[place]);
        foreach (var start in report.Starts.Where(start => start.Status != EmStatus.Failed))
            start.LogLikelihood.Should().BeLessThan(report.LogLikelihood + 1e-6);
    }

    [Fact]
    public void At_the_fit_the_likelihood_is_flat()
    {
        using var scope = NewDisposeScope();
        foreach (var (learner, data) in new (IExpertLearner, FitData)[] { (Binomial, Draws.TwoCurves(200, 5)), (new LinearLearner(), Draws.TwoLines(200, 5)), (new GlmLearner(GlmFamily.Poisson), Draws.TwoCounts(200, 5)) })
        {
            var mixture = MixtureLearner.Alike(2, learner).Fit(data);
            var gate = HostMemory.Of<double>(((SoftmaxGate)mixture.Gate).Coefficients()).ToArray();
            for (var place = 2; place < 4; place++)
            {
                double Moved(double by)
                {
                    var changed = gate.ToArray();
                    changed[place] += by;
                    return new FittedMixture(mixture.Components, new SoftmaxGate(tensor(changed, [2, 2])), null, mixture.Kind).LogLikelihood(data);
                }
                ((Moved(1e-4) - Moved(-1e-4)) / 2e-4).Should().BeApproximately(0, 1e-4, "{0}", learner.Name);
                (Moved(0.05) < Moved(0) && Moved(-0.05) < Moved(0)).Should().BeTrue();
            }
        }
    }

    [Fact]
    public void The_likelihood_never_falls_and_is_that_of_the_mixture()
    {
        for (var seed = 0; seed < 12; seed++)
        {
            using var scope = NewDisposeScope();
            var random = new Random(seed);
            var (rows, experts) = (random.Next(30, 100), random.Next(1, 5));
            var (learner, data) = (seed % 3) switch
            {
                0 => ((IExpertLearner)new LinearLearner(), Draws.TwoLines(rows, seed)),
                1 => (new GlmLearner(GlmFamily.Poisson), Draws.TwoCounts(rows, seed)),
                _ => (Binomial, Draws.TwoCurves(rows, seed)),
            };
            if (seed % 2 == 1)
                data = data.WithWeights(tensor(Enumerable.Range(0, rows).Select(_ => random.Next(0, 4) + 0.5).ToArray()));
            var options = new EmOptions { Seed = seed, Restarts = 2, MaxIterations = 200, GateRidge = seed % 4 == 0 ? 0.01 : 0, SharedSigma = seed % 3 == 0 && seed % 2 == 0 };
            var mixture = MixtureLearner.Alike(experts, learner, options).Fit(data);
            var report = mixture.Report!;
            report.LargestDecrease.Should().Be(0);
            if (options.GateRidge == 0 && report.Dropped.Count == 0)
                report.Trace.Zip(report.Trace.Skip(1)).Should().OnlyContain(pair => pair.Second >= pair.First - (1e-8 * Math.Abs(pair.First)));
            report.LogLikelihood.Should().BeApproximately(mixture.LogLikelihood(data), 1e-6 * Math.Abs(report.LogLikelihood));
            report.Trace.Should().OnlyContain(value => double.IsFinite(value));
        }
    }

    [Fact]
    public void Weights_are_numbers_of_rows()
    {
        using var scope = NewDisposeScope();
        var data = Draws.TwoLines(80, 6);
        var twice = data.Select(tensor(Enumerable.Range(0, 80).Concat(Enumerable.Range(0, 40)).Select(row => (long)row).ToArray()));
        var weighted = data.WithWeights(tensor(Enumerable.Range(0, 80).Select(row => row < 40 ? 2.0 : 1).ToArray()));
        var scaled = data.WithWeights(tensor(Enumerable.Range(0, 80).Select(row => row < 40 ? 2e3 : 1e3).ToArray()));
        var learner = MixtureLearner.Alike(2, new LinearLearner(), new EmOptions { GateRidge = 0.01 });
        var (first, second, third) = (learner.Fit(twice), learner.Fit(weighted), learner.Fit(scaled));
        second.Report!.LogLikelihood.Should().BeApproximately(first.Report!.LogLikelihood, 1e-6);
        Difference(first.forward(data.Inputs), second.forward(data.Inputs)).Should().BeLessThan(1e-5);
        Difference(first.forward(data.Inputs), third.forward(data.Inputs)).Should().BeLessThan(1e-5);
    }

    [Fact]
    public void Rows_of_weight_0_are_rows_removed()
    {
        using var scope = NewDisposeScope();
        var data = Draws.TwoLines(90, 16);
        var some = data.Select(arange(60, dtype: ScalarType.Int64));
        var weighted = data.WithWeights(tensor(Enumerable.Range(0, 90).Select(row => row < 60 ? 1.0 : 0).ToArray()));
        var learner = MixtureLearner.Alike(2, new LinearLearner(), new EmOptions { GateRidge = 0.01 });
        var (first, second) = (learner.Fit(some), learner.Fit(weighted));
        second.Report!.LogLikelihood.Should().BeApproximately(first.Report!.LogLikelihood, 1e-6);
        second.Report.Bic.Should().BeApproximately(first.Report.Bic, 1e-5);
        Difference(first.forward(data.Inputs), second.forward(data.Inputs)).Should().BeLessThan(1e-5);
    }

    [Fact]
    public void A_constant_gate_ends_at_the_mean_responsibilities()
    {
        using var scope = NewDisposeScope();
        var data = Draws.TwoLines(150, 17);
        var mixture = MixtureLearner.Alike(2, new LinearLearner(), gate: new ConstantGateLearner()).Fit(data);
        var report = mixture.Report!;
        report.Converged.Should().BeTrue();
        report.DegreesOfFreedom.Should().Be(1 + 6);
        mixture.DegreesOfFreedom.Should().Be(7);
        report.GateRidge.Should().BeNull();
        var gate = (ConstantGate)mixture.Gate;
        for (var expert = 0; expert < 2; expert++)
            gate.Probabilities[expert].Should().BeApproximately(report.Priors[expert], 1e-6);
        report.Coefficients().Should().HaveCount(7).And.OnlyContain(row => row.StandardError > 0);
        report.LogLikelihood.Should().BeLessThan(MixtureLearner.Alike(2, new LinearLearner()).Fit(data).Report!.LogLikelihood);
    }

    [Fact]
    public void One_thread_and_two_fit_the_same()
    {
        using var scope = NewDisposeScope();
        var data = Draws.TwoLines(120, 7);
        MixtureMember[] members = [new("line", new LinearLearner()), new("memory", new MemoryLearner())];
        foreach (var learner in new Func<EmOptions, MixtureLearner>[] { options => MixtureLearner.Alike(3, new LinearLearner(), options), options => new MixtureLearner(members, options) })
        {
            var one = learner(new EmOptions { Seed = 1, MaxParallel = 1, MaxIterations = 50 }).Fit(data);
            var two = learner(new EmOptions { Seed = 1, MaxParallel = 2, MaxIterations = 50 }).Fit(data);
            two.Report!.LogLikelihood.Should().Be(one.Report!.LogLikelihood);
            two.Report.Starts.Should().Equal(one.Report.Starts);
            Difference(one.forward(data.Inputs), two.forward(data.Inputs)).Should().Be(0);
        }
    }

    [Fact]
    public void One_expert_is_the_expert()
    {
        using var scope = NewDisposeScope();
        var data = Draws.TwoLines(60, 8);
        var mixture = MixtureLearner.Alike(1, new LinearLearner()).Fit(data);
        Difference(mixture.forward(data.Inputs), new LinearLearner().Fit(data, FitContext.Default).forward(data.Inputs)).Should().BeLessThan(1e-9);
        mixture.Report!.DegreesOfFreedom.Should().Be(3);
        mixture.Report.Coefficients().Should().HaveCount(3);
        mixture.Report.ToString().Should().Contain("expert 1").And.Contain("log(sigma)").And.Contain("BIC");
    }

    [Fact]
    public void More_experts_than_rows_are_refused()
    {
        using var scope = NewDisposeScope();
        var data = Draws.TwoLines(3, 9);
        var fit = () => MixtureLearner.Alike(4, new LinearLearner()).Fit(data);
        fit.Should().Throw<ArgumentException>().WithMessage("A mixture of 4 experts cannot be fitted to 3 rows with weight: there are more experts than rows.*");
    }

    [Fact]
    public void Hardly_more_rows_than_parameters_give_finite_answers()
    {
        using var scope = NewDisposeScope();
        foreach (var rows in new[] { 2, 4, 6, 9 })
        {
            var data = Draws.TwoLines(rows, 10);
            foreach (var small in Enum.GetValues<OnSmall>())
            {
                var mixture = MixtureLearner.Alike(2, new LinearLearner(), new EmOptions { OnSmall = small, MaxIterations = 200 }).Fit(data);
                double.IsFinite(mixture.Report!.LogLikelihood).Should().BeTrue();
                mixture.forward(data.Inputs).isfinite().all().item<bool>().Should().BeTrue();
                mixture.Report.ToString().Should().NotContain("NaN");
            }
        }
    }

    [Fact]
    public void Constant_and_collinear_columns_have_coefficient_0()
    {
        using var scope = NewDisposeScope();
        var data = Draws.TwoLines(200, 11);
        var wide = new FitData(cat([data.Inputs, ones_like(data.Inputs), data.Inputs * 2 - 1], 1), data.Response);
        var plain = MixtureLearner.Alike(2, new LinearLearner()).Fit(data);
        var mixture = MixtureLearner.Alike(2, new LinearLearner()).Fit(wide);
        mixture.Report!.LogLikelihood.Should().BeApproximately(plain.Report!.LogLikelihood, 1e-6);
        mixture.Report.DegreesOfFreedom.Should().Be(plain.Report.DegreesOfFreedom);
        mixture.Report.Coefficients().Select(row => row.Term).Distinct().Should().Equal("(intercept)", "x1", "log(sigma)");
    }

    [Theory]
    [InlineData(3.0)]
    [InlineData(-1e9)]
    [InlineData(0.0)]
    public void Responses_that_are_all_alike_end_at_a_noise_above_rounding(double value)
    {
        using var scope = NewDisposeScope();
        var data = new FitData(Draws.TwoLines(60, 11).Inputs, Response.Real(full([60], value, ScalarType.Float64)));
        var mixture = MixtureLearner.Alike(2, new LinearLearner()).Fit(data);
        mixture.Report!.Status.Should().Be(EmStatus.Degenerate);
        mixture.Report.FloorHits.Should().Be(2);
        mixture.Report.LargestDecrease.Should().Be(0);
        mixture.Components.Should().OnlyContain(component => ((GaussianNoise)component.Noise!).Sigma == Math.Max(1e-11 * Math.Abs(value), 1e-100));
    }

    [Fact]
    public void A_gate_that_separates_is_reported_and_a_ridge_bounds_it()
    {
        using var scope = NewDisposeScope();
        var x = Enumerable.Range(0, 60).Select(row => (row - 29.5) / 10).ToArray();
        var random = new Random(1);
        var data = new FitData(tensor(x, [60, 1]), Response.Real(tensor(Array.ConvertAll(x, value => (value < 0 ? 20 + value : -20 - value) + (0.1 * Draws.Normal(random))))));
        var free = MixtureLearner.Alike(2, new LinearLearner()).Fit(data).Report!;
        free.Separation.Should().BeTrue();
        free.ToString().Should().Contain("separates");
        var bound = MixtureLearner.Alike(2, new LinearLearner(), new EmOptions { GateRidge = 1e-3 }).Fit(data).Report!;
        bound.Separation.Should().BeFalse();
        bound.LogLikelihood.Should().BeLessThan(free.LogLikelihood + 1e-6);
    }

    [Fact]
    public void A_cancelled_fit_throws()
    {
        using var scope = NewDisposeScope();
        using var source = new CancellationTokenSource();
        var data = Draws.TwoLines(100, 12);
        var told = new Told(report => source.Cancel());
        var fit = () => MixtureLearner.Alike(3, new LinearLearner()).Fit(data, new FitContext { CancellationToken = source.Token }, progress: told);
        fit.Should().Throw<OperationCanceledException>();
    }

    [Fact]
    public void Starts_that_come_to_nothing_are_told_together()
    {
        using var scope = NewDisposeScope();
        var data = Draws.TwoLines(30, 13);
        var fit = () => new MixtureLearner([new MixtureMember("broken", new Broken())], new EmOptions { Restarts = 3 }).Fit(data);
        fit.Should().Throw<ArgumentException>().WithMessage("None of 3 starts came to anything: 3 × expert 1 starved: Cannot be fitted.*");
    }

    [Fact]
    public void An_expert_that_cannot_be_fitted_is_dropped()
    {
        using var scope = NewDisposeScope();
        var data = Draws.TwoLines(60, 14);
        var mixture = new MixtureLearner([new MixtureMember("broken", new Broken()), new MixtureMember("line", new LinearLearner())], new EmOptions { Restarts = 2 }).Fit(data);
        mixture.Components.Should().ContainSingle().Which.Name.Should().Be("line");
        mixture.Report!.Dropped.Should().Equal("broken");
        mixture.Report.Status.Should().Be(EmStatus.Degenerate);
    }

    [Fact]
    public void Options_out_of_range_are_told_together()
    {
        var make = () => MixtureLearner.Alike(2, new LinearLearner(), new EmOptions { MaxIterations = 0, Tolerance = 2, Folds = 1 });
        make.Should().Throw<ArgumentException>().WithMessage("EmOptions is not valid: MaxIterations (0) must be at least 1. Tolerance (2) must be above 0 and below 1. Folds (1) must be at least 2.*");
    }

    [Fact]
    public void A_fit_leaves_only_the_tensors_of_the_mixture()
    {
        using var scope = NewDisposeScope();
        var data = Draws.TwoLines(50, 15);
        var learner = MixtureLearner.Alike(2, new LinearLearner(), new EmOptions { Restarts = 2 });
        LiveTensors.After(() => learner.Fit(data)).Should().BeLessThanOrEqualTo(1, "the gate keeps its coefficients");
        var mixture = learner.Fit(data);
        LiveTensors.After(() =>
        {
            mixture.forward(data.Inputs).Dispose();
            mixture.Responsibilities(data.Inputs, data.Response).Dispose();
            mixture.LogDensity(data.Inputs, data.Response).Dispose();
            mixture.Variance(data.Inputs).Dispose();
            mixture.Quantile(data.Inputs, 0.3).Dispose();
            mixture.PredictEach(data.Inputs).Dispose();
        }).Should().Be(0);
    }

    private static double Difference(Tensor left, Tensor right) => (left - right).abs().max().item<double>();

    private sealed class Told(Action<EmProgress> tell) : IProgress<EmProgress>
    {
        public void Report(EmProgress value) => tell(value);
    }

    private sealed class Broken : IExpertLearner
    {
        public string Name => "broken";

        public WeightSupport Weights => WeightSupport.Native;

        public bool OverfitsOwnRows => false;

        public bool Takes(ResponseKind kind) => true;

        public IExpert Fit(FitData data, FitContext context) => throw new ArgumentException("Cannot be fitted.");
    }
}
