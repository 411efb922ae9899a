using Moe.Core;
using static TorchSharp.torch;

namespace Moe.Classical.Tests;

public sealed class OutOfFoldTests
{
    [Fact]
    public void An_expert_that_repeats_its_rows_is_judged_on_others()
    {
        using var scope = NewDisposeScope();
        var data = Regimes(240, 1);
        var test = Regimes(400, 2);
        var inSample = Error(Judge.InSample);
        var honest = Error(Judge.Auto);
        honest.Should().BeLessThan(0.9 * inSample);

        double Error(Judge judge)
        {
            MixtureMember[] members = [new("line", new LinearLearner()), new("memory", new MemoryLearner())];
            var mixture = new MixtureLearner(members, new EmOptions { Judge = judge, Seed = 1, MaxIterations = 40 }).Fit(data);
            mixture.Report!.OutOfFold.Should().Be(judge == Judge.Auto);
            (mixture.Report.Bic is null).Should().BeTrue();
            var error = mixture.forward(test.Inputs).select(1, 0) - test.Response.Values;
            return Math.Sqrt(error.mul(error).mean().item<double>());
        }
    }

    [Fact]
    public void The_ridge_of_the_gate_is_chosen_where_experts_are_judged_out_of_fold()
    {
        using var scope = NewDisposeScope();
        MixtureMember[] members = [new("line", new LinearLearner()), new("memory", new MemoryLearner())];
        var data = Regimes(150, 3);
        new MixtureLearner(members, new EmOptions { Restarts = 1, MaxIterations = 5 }).Fit(data).Report!.GateRidge.Should().BeInRange(1e-6, 1);
        new MixtureLearner(members, new EmOptions { Restarts = 1, MaxIterations = 5, GateRidge = 0.5 }).Fit(data).Report!.GateRidge.Should().Be(0.5);
        MixtureLearner.Alike(2, new LinearLearner()).Fit(data).Report!.GateRidge.Should().Be(0);
    }

    [Theory]
    [InlineData(WeightSupport.Resample, HardAssignment.Greatest)]
    [InlineData(WeightSupport.HardOnly, HardAssignment.Greatest)]
    [InlineData(WeightSupport.HardOnly, HardAssignment.Drawn)]
    public void Learners_without_weights_take_part(WeightSupport weights, HardAssignment assignment)
    {
        using var scope = NewDisposeScope();
        MixtureMember[] members = [new("line", new LinearLearner()), new("memory", new MemoryLearner(weights))];
        var data = Regimes(150, 4);
        var mixture = new MixtureLearner(members, new EmOptions { HardAssignment = assignment, MaxIterations = 20, Seed = 2 }).Fit(data);
        mixture.Components.Should().HaveCount(2);
        var test = Regimes(300, 5);
        var error = mixture.forward(test.Inputs).select(1, 0) - test.Response.Values;
        var line = new LinearLearner().Fit(data, FitContext.Default).forward(test.Inputs).select(1, 0) - test.Response.Values;
        error.mul(error).mean().item<double>().Should().BeLessThan(line.mul(line).mean().item<double>());
    }

    [Theory]
    [InlineData(true, 3, 3)]
    [InlineData(false, 3, 13)]
    public void Each_iteration_fits_once_or_once_a_fold_and_nothing_in_vain(bool says, int iterations, int fits)
    {
        using var scope = NewDisposeScope();
        var learner = new CountingLearner(new LinearLearner()) { AnswersOutOfSample = says };
        MixtureMember[] members = [new("rule", new DelegateExpert(2, 1, input => input.narrow(1, 0, 1))), new("line", learner)];
        new MixtureLearner(members, new EmOptions { Judge = Judge.OutOfFold, Folds = 4, Restarts = 1, MaxIterations = iterations, Patience = 100, OnSmall = OnSmall.Keep }).Fit(Regimes(150, 8));

        // Where folds were fitted, the expert that is kept is fitted to all rows at the end.
        learner.Fits.Should().Be(fits);
    }

    [Theory]
    [InlineData(WeightSupport.Native)]
    [InlineData(WeightSupport.Resample)]
    public void Folds_of_a_single_start_run_at_a_time_and_change_nothing(WeightSupport weights)
    {
        using var scope = NewDisposeScope();
        var data = Regimes(150, 9);
        var (one, two) = (new MeetingLearner(new MemoryLearner(weights), 1), new MeetingLearner(new MemoryLearner(weights), 2));
        var (alone, together) = (Fit(one, 1), Fit(two, 2));
        one.Met.Should().BeTrue();
        two.Met.Should().BeTrue("two folds are fitted at a time");
        together.Report!.LogLikelihood.Should().Be(alone.Report!.LogLikelihood);
        together.forward(data.Inputs).sub(alone.forward(data.Inputs)).abs().max().item<double>().Should().Be(0);

        FittedMixture Fit(IExpertLearner learner, int parallel)
        {
            MixtureMember[] members = [new("line", new LinearLearner()), new("memory", learner)];
            return new MixtureLearner(members, new EmOptions { Folds = 4, Restarts = 1, MaxIterations = 6, MaxParallel = parallel, Seed = 3 }).Fit(data);
        }
    }

    [Fact]
    public void A_fixed_expert_stays_and_the_gate_finds_where_it_is_right()
    {
        using var scope = NewDisposeScope();
        var data = Draws.TwoLines(300, 6, noise: 0.1);
        var rule = new DelegateExpert(1, 1, input => input.mul(3.0) + 1.0);
        var mixture = new MixtureLearner([new MixtureMember("rule", rule), new MixtureMember("line", new LinearLearner())]).Fit(data);
        mixture.Components[0].Expert.Should().BeSameAs(rule);
        ((GaussianNoise)mixture.Components[0].Noise!).Sigma.Should().BeApproximately(0.1, 0.03);
        ((LinearModel)mixture.Components[1].Expert).Coefficients[1].Should().BeApproximately(-2, 0.1);
        mixture.Report!.DegreesOfFreedom.Should().Be(2 + 1 + 3);
        mixture.Report.Bic.Should().NotBeNull();
        mixture.Gates(tensor(new[] { 1.5 }, [1, 1]))[0, 0].item<double>().Should().BeGreaterThan(0.9);
    }

    [Fact]
    public void Classifiers_share_the_rows_out_and_probabilities_sum_to_1()
    {
        using var scope = NewDisposeScope();
        var random = new Random(7);
        var (x, label) = (new double[600], new double[300]);
        for (var row = 0; row < 300; row++)
        {
            (x[2 * row], x[(2 * row) + 1]) = (Draws.Normal(random), Draws.Normal(random));
            label[row] = x[2 * row] * x[(2 * row) + 1] > 0 ? 1 : random.NextDouble() < 0.1 ? 2 : 0;
        }
        var data = new FitData(tensor(x, [300, 2]), Response.Class(tensor(label), 3));
        var learner = new SoftmaxLearner(new SoftmaxOptions { Ridge = 1e-3 });
        var mixture = MixtureLearner.Alike(2, learner, new EmOptions { GateRidge = 1e-3, Seed = 1, MaxIterations = 60 }).Fit(data);
        var answer = mixture.forward(data.Inputs);
        (answer.sum(dim: 1) - 1).abs().max().item<double>().Should().BeLessThan(1e-9);
        var single = ((IDensityExpert)learner.Fit(data, FitContext.Default)).LogDensity(data.Inputs, data.Response).sum().item<double>();
        mixture.LogLikelihood(data).Should().BeGreaterThan(single + 60);
        mixture.Sample(data.Inputs, seed: 1).Classes.Should().Be(3);
        mixture.Invoking(it => it.Variance(data.Inputs)).Should().Throw<NotSupportedException>();
    }

    /// <summary>A line on the left, noise-free steps of a rough curve on the right, and inputs that say nothing.</summary>
    private static FitData Regimes(int rows, int seed)
    {
        var random = new Random(seed);
        var (x, y) = (new double[rows * 2], new double[rows]);
        for (var row = 0; row < rows; row++)
        {
            x[2 * row] = (4 * random.NextDouble()) - 2;
            x[(2 * row) + 1] = 0.1 * Draws.Normal(random);
            y[row] = x[2 * row] < 0 ? (2 * x[2 * row]) + (0.8 * Draws.Normal(random)) : (3 * Math.Sin(6 * x[2 * row])) + (0.1 * Draws.Normal(random));
        }
        return new FitData(tensor(x, [rows, 2]), Response.Real(tensor(y)));
    }
}
