using Moe.Core;
using static TorchSharp.torch;

namespace Moe.Training.Tests;

/// <summary>λ that follows what the routing has come to.</summary>
public sealed partial class TrainerTests
{
    [Fact]
    public void A_factor_starts_at_one_and_is_asked_for_anew_after_each_step_that_was_taken()
    {
        using var model = new Probe(Make.Mixture(1), Make.Mixture(2), Make.Linear(4, 3));
        var recorder = new Recorder();
        var told = new List<IReadOnlyList<RoutingReport>>();
        var rule = new GivenRule((factor, step) =>
        {
            told.Add(step);
            return factor * 2;
        });
        Tensor Loss(Tensor output, Tensor target) => TaskLosses.CrossEntropy(output, target) * (model.Forwards is 5 or 6 ? double.NaN : 1);

        // Two micro-batches a step; the third step is spoiled.
        var options = new TrainerOptions
        {
            Epochs = 2,
            BatchSize = 10,
            AccumulationSteps = 2,
            OnNonFinite = NonFiniteAction.SkipStep,
            Terms = [new(new RouterZLoss(), new Schedule(step => step + 1), rule), new(new ImportanceLoss(), 0.5)],
        };
        new Trainer(model, Make.Sgd(), Loss, options, recorder).Fit(Make.Clusters());

        recorder.Steps.Select(step => step.SkippedBecause is null).Should().Equal(true, true, false, true, true, true);
        recorder.Steps.Select(step => step.Terms["router_z"].Lambda).Should().Equal(1 * 1, 2 * 2, 3 * 4, 4 * 4, 5 * 8, 6 * 16);
        recorder.Steps.Should().OnlyContain(step => step.Terms["importance"].Lambda == 0.5);

        var taken = recorder.Steps.Where(step => step.SkippedBecause is null).ToArray();
        told.Should().HaveCount(5);
        for (var step = 0; step < told.Count; step++)
            told[step].Select(report => $"{report}").Should().Equal(taken[step].Routing.Values.Select(report => $"{report}"));
        told[0].Should().OnlyContain(report => report.Tokens == 20).And.HaveCount(2);
    }

    [Theory]
    [InlineData(-1)]
    [InlineData(double.NaN)]
    [InlineData(double.PositiveInfinity)]
    public void A_rule_that_gives_nonsense_ends_training_and_is_named(double bad)
    {
        using var model = Make.Classifier();
        var recorder = new Recorder();
        var options = new TrainerOptions { BatchSize = 20, Terms = [new(new RouterZLoss(), 1, new GivenRule((_, _) => recorder.Steps.Count == 1 ? bad : 1)) { Name = "z" }] };

        var fit = () => new Trainer(model, Make.Sgd(), TaskLosses.CrossEntropy, options, recorder).Fit(Make.Clusters());

        fit.Should().Throw<InvalidOperationException>().WithMessage($"Step 1: the factor on λ of z, which GivenRule gave ({bad}), must be 0 or more, and finite.");
    }

    [Fact]
    public void A_model_without_mixtures_has_nothing_to_adapt_to()
    {
        using var model = Make.Linear(4, 3);
        var options = new TrainerOptions { Epochs = 1, Terms = [new(new RouterZLoss(), 1, new GivenRule((_, _) => throw new InvalidOperationException("asked")))] };
        var recorder = new Recorder();

        new Trainer(model, Make.Sgd(), TaskLosses.CrossEntropy, options, recorder).Fit(Make.Clusters());

        recorder.Steps.Should().OnlyContain(step => step.Terms["router_z"].Value == 0 && step.Loss == step.TaskLoss);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void An_adaptive_L1_term_drives_a_ReLU_gate_to_the_number_of_experts_asked_for(double target)
    {
        using var scope = NewDisposeScope();
        var x = Make.Normal(1, 200, 4);
        var data = new TrainingData(x, (x * 2).sin() + x.roll(1, 1).abs());

        var (free, driven) = (Train([]), Train([new(new ReluL1Loss(), 1e-3, new SparsityRule(target, rate: 1.05))]));

        Experts(free).Should().BeGreaterThan(3.7);
        Experts(driven).Should().BeApproximately(target, 0.15);
        driven[^1].TaskLoss.Should().BeLessThan(driven[0].TaskLoss / 10, "it learns all the while");

        static double Experts(IEnumerable<StepReport> steps) =>
            steps.TakeLast(100).Average(step => (double)step.Routing["layers.0"].Assigned.Sum() / step.Routing["layers.0"].Tokens);

        List<StepReport> Train(BalanceTerm[] terms)
        {
            // Without its bias a linear gate is above 0 on half of the space, whatever its weights.
            using var model = new Probe(Make.Mixture(1, PublishedGates.ReMoE(4, 8) with { Bias = true }));
            var recorder = new Recorder();
            var options = new TrainerOptions { Epochs = 100, BatchSize = 50, Lambda = 0, Terms = terms };
            new Trainer(model, Make.AdamW(0.02), TaskLosses.MeanSquaredError, options, recorder).Fit(data);
            return recorder.Steps;
        }
    }
}
