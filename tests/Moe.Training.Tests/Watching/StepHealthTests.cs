using Moe.Core;
using static TorchSharp.torch;

namespace Moe.Training.Tests.Watching;

/// <summary>What steps and epochs report of each gate.</summary>
public sealed class StepHealthTests
{
    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    public void A_step_reports_the_health_of_each_gate_over_all_its_real_tokens(int accumulation)
    {
        using var scope = NewDisposeScope();
        using var model = new RoutedSequential(Make.Mixture(1), Make.Mixture(2), Make.Linear(4, 3));
        var data = Make.Clusters(50);
        var masked = new TrainingData(data.Inputs, data.Targets, Make.Normal(7, 50).lt(0.5));
        using var pass = new RoutingPass(masked.Mask);
        model.forward(masked.Inputs, pass);
        var recorder = new Recorder();

        // A learning rate of 0 keeps the gates as they are; 50 samples do not divide into micro-batches of one size.
        new Trainer(model, Make.Sgd(0), TaskLosses.CrossEntropy, new() { Epochs = 1, BatchSize = accumulation == 1 ? 50 : 17, AccumulationSteps = accumulation }, recorder).Fit(masked);

        var health = recorder.Steps.Should().ContainSingle().Subject.Health;
        health.Keys.Should().Equal("0", "1");
        foreach (var (name, layer) in new[] { "0", "1" }.Zip(pass.Layers))
            ShouldBe(health[name], GateHealth.From(layer.Decision));
        recorder.Epochs.Single().Health.Should().BeEquivalentTo(health);
    }

    [Fact]
    public void An_epoch_reports_the_mean_over_its_steps_tokens_without_those_of_skipped_steps()
    {
        using var model = Make.Classifier();
        var recorder = new Recorder();
        var calls = 0;
        Tensor Loss(Tensor output, Tensor target) => TaskLosses.CrossEntropy(output, target) * (calls++ == 1 ? double.NaN : 1);

        new Trainer(model, Make.Sgd(), Loss, new() { Epochs = 1, BatchSize = 25, OnNonFinite = NonFiniteAction.SkipStep }, recorder).Fit(Make.Clusters());

        recorder.Steps[1].SkippedBecause.Should().NotBeNull();
        ShouldBe(recorder.Epochs.Single().Health["0"], GateHealth.Combine([recorder.Steps[0].Health["0"], recorder.Steps[2].Health["0"]]));
    }

    [Fact]
    public void A_model_without_mixtures_has_none()
    {
        using var model = new RoutedSequential(Make.Linear(4, 3));
        var recorder = new Recorder();

        new Trainer(model, Make.Sgd(), TaskLosses.CrossEntropy, new() { Epochs = 1 }, recorder).Fit(Make.Clusters());

        recorder.Steps.Should().OnlyContain(step => step.Health.Count == 0);
        recorder.Epochs.Single().Health.Should().BeEmpty();
    }

    [Fact]
    public void Processes_report_the_mean_over_the_tokens_of_all()
    {
        var sums = new HealthSums(new Other(tokens: 30, logitNorm: 2, weightMargin: 0.5));
        sums.Add("a", tokens: 4, logitNorm: 1, weightMargin: 0.1);
        sums.Add("a", tokens: 6, logitNorm: 3, weightMargin: 0.2);

        ShouldBe(sums.Read()["a"], new GateHealth { Tokens = 40, LogitNorm = (4 + 18 + 60) / 40.0, WeightMargin = (0.4 + 1.2 + 15) / 40 });
    }

    private static void ShouldBe(GateHealth actual, GateHealth expected)
    {
        actual.Tokens.Should().Be(expected.Tokens);
        actual.LogitNorm.Should().BeApproximately(expected.LogitNorm, 1e-12).And.BePositive();
        actual.WeightMargin.Should().BeApproximately(expected.WeightMargin, 1e-12).And.BePositive();
    }

    /// <summary>A second process with tokens of its own.</summary>
    private sealed class Other(long tokens, double logitNorm, double weightMargin) : IProcessSum
    {
        public int ProcessCount => 2;

        public void Sum(Span<double> values)
        {
            values[0] += tokens;
            values[1] += logitNorm * tokens;
            values[2] += weightMargin * tokens;
        }
    }
}
