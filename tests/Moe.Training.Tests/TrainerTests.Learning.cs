using static TorchSharp.torch;

namespace Moe.Training.Tests;

/// <summary>That it learns, and what it keeps of what it learned.</summary>
public sealed partial class TrainerTests
{
    [Fact]
    public void It_learns_a_classification()
    {
        using var model = Make.Classifier();
        var (data, validation) = (Make.Clusters(seed: 1), Make.Clusters(seed: 2));
        var trainer = new Trainer(model, Make.AdamW(0.03), TaskLosses.CrossEntropy, new TrainerOptions { Epochs = 15, BatchSize = 10, Metrics = [Metric.Accuracy] });

        var result = trainer.Fit(data, validation);

        result.Epochs[^1].TaskLoss.Should().BeLessThan(result.Epochs[0].TaskLoss / 4);
        result.Epochs[^1].Validation!.Metrics["accuracy"].Should().BeGreaterThan(0.95);
        result.Should().BeEquivalentTo(new { Steps = 90L, StoppedEarly = false });
        result.Epochs[^1].Routing["0"].Tokens.Should().Be(60);
    }

    [Fact]
    public void It_learns_a_regression()
    {
        using var model = Make.Classifier(classes: 2);
        var data = Make.Curve();

        var result = new Trainer(model, Make.AdamW(0.03), TaskLosses.MeanSquaredError, new TrainerOptions { Epochs = 40, BatchSize = 16 }).Fit(data);

        result.Epochs[^1].TaskLoss.Should().BeLessThan(result.Epochs[0].TaskLoss / 5);
        (result.BestEpoch, result.BestValue).Should().Be((null, null));
    }

    [Fact]
    public void A_loss_of_the_users_own_works_and_so_does_a_model_without_mixtures()
    {
        using var model = Make.Linear(4, 2);
        var data = Make.Curve();
        var recorder = new Recorder();

        var result = new Trainer(model, Make.Sgd(), (output, target) => (output - target).abs().mean(), new TrainerOptions { Epochs = 10 }, recorder).Fit(data, data);

        result.Epochs[^1].TaskLoss.Should().BeLessThan(result.Epochs[0].TaskLoss * 0.8);
        result.Epochs.Should().OnlyContain(epoch => epoch.Balance == 0 && epoch.Loss == epoch.TaskLoss && epoch.Routing.Count == 0);
        recorder.Steps.Should().OnlyContain(step => step.Tokens == step.Samples);
    }

    [Theory]
    [InlineData("SGD")]
    [InlineData("Adam")]
    [InlineData("AdamW")]
    [InlineData("RMSProp")]
    [InlineData("Adagrad")]
    [InlineData("NAdam")]
    public void Any_optimizer_learns(string name)
    {
        using var model = Make.Classifier();
        var data = Make.Clusters();
        var trainer = new Trainer(
            model,
            parameters => name switch
            {
                "SGD" => optim.SGD(parameters, 0.05, momentum: 0.9, nesterov: true),
                "Adam" => optim.Adam(parameters, 0.02, amsgrad: true),
                "AdamW" => optim.AdamW(parameters, 0.02, amsgrad: true),
                "RMSProp" => optim.RMSProp(parameters, 0.01, momentum: 0.5, centered: true),
                "Adagrad" => optim.Adagrad(parameters, 0.05),
                _ => optim.NAdam(parameters, 0.02),
            },
            TaskLosses.CrossEntropy,
            new TrainerOptions { Epochs = 10 });

        var epochs = trainer.Fit(data).Epochs;

        epochs[^1].TaskLoss.Should().BeLessThan(epochs[0].TaskLoss * 0.7);
    }

    [Fact]
    public void The_best_epoch_is_kept_to_the_bit()
    {
        using var model = Make.Classifier();
        var data = Make.Clusters();
        var states = new List<Dictionary<string, string>>();
        var recorder = new Recorder { AtEpoch = _ => states.Add(State.Of(model)) };

        // A rate that grows ruins what was learned: the best epoch is not the last.
        var options = new TrainerOptions { Epochs = 6, KeepBest = true, LearningRate = new Schedule(step => step < 8 ? 0.1 : 5) };
        var result = new Trainer(model, Make.Sgd(), TaskLosses.CrossEntropy, options, recorder).Fit(data, data);

        var best = result.Epochs.MinBy(epoch => epoch.Validation!.TaskLoss)!;
        best.Epoch.Should().BeLessThan(5);
        (result.BestEpoch, result.BestValue).Should().Be((best.Epoch, best.Validation!.TaskLoss));
        State.Of(model).Should().Equal(states[best.Epoch]).And.NotEqual(states[^1]);
        result.Epochs.Where(epoch => epoch.IsBest).Should().EndWith(best);
    }

    [Theory]
    [InlineData(true, new[] { 0.1, 0.5, 0.3, 0.4, 0.9 }, 2, 4, 1)]
    [InlineData(false, new[] { 0.9, 0.2, 0.3, 0.2, 0.1 }, 2, 4, 1)]
    [InlineData(false, new[] { 0.5, 0.4, 0.3, 0.2, 0.1 }, 1, 5, 4)]
    [InlineData(true, new[] { double.NaN, 0.1, 0.2, 0.3, 0.2 }, 2, 5, 3)]
    [InlineData(true, new[] { double.NaN, double.NaN, 0.2, 0.3, 0.2 }, 2, 2, null)]
    public void Training_ends_after_so_many_epochs_without_a_better_value(bool higherIsBetter, double[] values, int patience, int epochs, int? best)
    {
        using var model = Make.Linear(4, 2);
        using var data = Owned(Make.Curve());
        var epoch = 0;
        var metric = new Metric("m", (_, _) => tensor(values[epoch++]), higherIsBetter);
        var options = new TrainerOptions { Epochs = 5, BatchSize = 64, Metrics = [metric], Monitor = metric, EarlyStoppingPatience = patience };

        var result = new Trainer(model, Make.Sgd(), TaskLosses.MeanSquaredError, options).Fit(data.Data, data.Data);

        result.Epochs.Should().HaveCount(epochs);
        (result.StoppedEarly, result.BestEpoch).Should().Be((epochs < 5, best));
        result.BestValue.Should().Be(best is { } index ? values[index] : null);
    }

    [Fact]
    public void Metrics_and_losses_of_an_evaluation_are_means_over_samples_whatever_the_batches()
    {
        using var scope = NewDisposeScope();
        using var model = Make.Linear(4, 2);
        var data = Make.Curve(samples: 23);
        model.eval();
        var difference = State.Numbers(model.call(data.Inputs) - data.Targets);

        foreach (var batch in new[] { 1, 7, 23, 100 })
        {
            var trainer = new Trainer(model, Make.Sgd(), TaskLosses.MeanSquaredError, new TrainerOptions { BatchSize = batch, Metrics = [Metric.MeanAbsoluteError] });
            var report = trainer.Evaluate(data);
            report.TaskLoss.Should().BeApproximately(difference.Average(d => d * d), 1e-12);
            report.Metrics["mean_absolute_error"].Should().BeApproximately(difference.Average(Math.Abs), 1e-12);
        }
    }

    [Fact]
    public void An_epochs_numbers_are_those_of_its_steps()
    {
        using var model = Make.Classifier();
        var recorder = new Recorder();

        // 60 samples in batches of 16: the last one has 12.
        new Trainer(model, Make.Sgd(), TaskLosses.CrossEntropy, new TrainerOptions { Epochs = 1, BatchSize = 16, Lambda = 0.5 }, recorder).Fit(Make.Clusters());

        var (steps, epoch) = (recorder.Steps, recorder.Epochs.Single());
        steps.Select(step => step.Samples).Should().Equal(16, 16, 16, 12);
        epoch.TaskLoss.Should().BeApproximately(steps.Sum(step => step.TaskLoss * step.Samples) / 60, 1e-12);
        epoch.Balance.Should().BeApproximately(steps.Sum(step => step.Balance * step.Samples) / 60, 1e-12);
        epoch.Loss.Should().BeApproximately(epoch.TaskLoss + 0.5 * epoch.Balance, 1e-12);
        steps.Should().OnlyContain(step => Math.Abs(step.Loss - step.TaskLoss - 0.5 * step.Balance) < 1e-12);
    }

    private static OwnedData Owned(TrainingData data) => new(data);

    private sealed record OwnedData(TrainingData Data) : IDisposable
    {
        public void Dispose()
        {
            Data.Inputs.Dispose();
            Data.Targets.Dispose();
            Data.Mask?.Dispose();
        }
    }
}
