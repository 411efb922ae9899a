using Moe.Core;
using TorchSharp;
using static TorchSharp.torch;

namespace Moe.Training.Tests;

/// <summary>What must hold for there to be anything to train, judge or save.</summary>
public sealed partial class TrainerTests
{
    [Fact]
    public void A_model_with_nothing_to_learn_is_refused()
    {
        using var frozen = Make.Classifier();
        foreach (var parameter in frozen.parameters())
            parameter.requires_grad = false;
        using var model = Make.Classifier();

        Fit(new Trainer(frozen, Make.Sgd(), TaskLosses.CrossEntropy)).Should().Throw<InvalidOperationException>().WithMessage("No parameter of the model *");
        Fit(new Trainer(model, _ => null!, TaskLosses.CrossEntropy)).Should().Throw<InvalidOperationException>().WithMessage("*gave null.");
        Fit(new Trainer(model, Make.Sgd(), (output, _) => output.detach().sum(), new TrainerOptions { Lambda = 0 }))
            .Should().Throw<InvalidOperationException>().WithMessage("The loss does not depend on any parameter *");

        static Action Fit(Trainer trainer) => () => trainer.Fit(Make.Clusters());
    }

    [Fact]
    public void Frozen_parameters_stay_as_they_are()
    {
        using var model = Make.Classifier();
        foreach (var parameter in model.children().Last().parameters())
            parameter.requires_grad = false;
        var before = State.Of(model);

        new Trainer(model, Make.AdamW(), TaskLosses.CrossEntropy, new TrainerOptions { Epochs = 1 }).Fit(Make.Clusters());

        State.Of(model).Where(item => before[item.Key] == item.Value).Select(item => item.Key).Should().Equal("1.weight", "1.bias");
    }

    [Fact]
    public void A_metric_that_gives_no_scalar_is_refused_by_name()
    {
        using var model = Make.Classifier();

        Evaluate((output, _) => output).Should().Throw<InvalidOperationException>().WithMessage("The metric strange must give a scalar, but gave shape [32, 3].");
        Evaluate((_, _) => null!).Should().Throw<InvalidOperationException>().WithMessage("The metric strange must give a scalar, but gave null.");

        Action Evaluate(Func<Tensor, Tensor, Tensor> compute) => () =>
            new Trainer(model, Make.Sgd(), TaskLosses.CrossEntropy, new TrainerOptions { Metrics = [new Metric("strange", compute, true)] }).Evaluate(Make.Clusters());
    }

    [Fact]
    public void A_checkpoint_that_could_not_be_written_is_refused_before_the_first_step()
    {
        using var folder = new TemporaryFolder();
        using var model = Make.Classifier();
        var recorder = new Recorder();
        File.WriteAllText(folder.File("file"), "in the way");
        var path = Path.Combine(folder.File("file"), "below.ckpt");

        var fit = () => new Trainer(
            model, Make.Sgd(), TaskLosses.CrossEntropy, new TrainerOptions { Checkpoint = new CheckpointOptions { Path = path } }, recorder).Fit(Make.Clusters());

        fit.Should().Throw<IOException>().WithMessage($"{path} cannot be written: *");
        recorder.Steps.Should().BeEmpty();
    }

    [Fact]
    public void The_best_model_keeps_the_temperature_that_it_was_judged_with()
    {
        using var model = Make.Classifier();
        var scores = new Queue<double>([0.1, 0.9, 0.2, double.NaN]);
        var metric = new Metric("script", (_, _) => scores.TryDequeue(out var score) ? score : 0, HigherIsBetter: true);
        var options = new TrainerOptions
        {
            Epochs = 4,
            BatchSize = 60,
            KeepBest = true,
            Metrics = [metric],
            Monitor = metric,
            Temperature = Schedule.Exponential(5, 0.1, 4),
        };
        var trainer = new Trainer(model, Make.AdamW(0.1), TaskLosses.CrossEntropy, options);

        var result = trainer.Fit(Make.Clusters(), Make.Clusters(seed: 2));

        result.BestEpoch.Should().Be(1, "what is not a number is never the best");
        model.modules().OfType<GatingNetwork>().Single().Temperature.Should().Be(options.Temperature.At(1));
        trainer.Evaluate(Make.Clusters(seed: 2)).TaskLoss.Should().Be(result.Epochs[1].Validation!.TaskLoss);
    }

    [Fact]
    public void Gradients_whose_squares_overflow_are_finite_all_the_same()
    {
        using var model = Make.Classifier().to(ScalarType.Float32);
        using var data = Make.Clusters().Inputs.to(ScalarType.Float32);
        var recorder = new Recorder();

        new Trainer(
            model, Make.Sgd(), (output, _) => output.sum() * 1e25, new TrainerOptions { Epochs = 1, BatchSize = 60, Lambda = 0, MaxGradientNorm = 1 }, recorder)
            .Fit(new TrainingData(data, Make.Clusters().Targets));

        recorder.Steps.Single().GradientNorm.Should().BeGreaterThan(1e25).And.BeLessThan(1e30);
    }
}
