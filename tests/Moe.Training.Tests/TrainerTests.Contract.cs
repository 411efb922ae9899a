using Moe.Core;
using static TorchSharp.torch;

namespace Moe.Training.Tests;

/// <summary>What callers may rely on: order of calls, cancellation, modes.</summary>
public sealed partial class TrainerTests
{
    [Fact]
    public void Callbacks_are_told_in_order_with_the_right_numbers()
    {
        using var model = Make.Classifier();
        var recorder = new Recorder();

        var result = new Trainer(model, Make.Sgd(), TaskLosses.CrossEntropy, new TrainerOptions { Epochs = 2, BatchSize = 25 }, recorder).Fit(Make.Clusters());

        recorder.Calls.Should().Equal(
            "started", "step 0", "step 1", "step 2", "epoch 0", "step 3", "step 4", "step 5", "epoch 1", "completed", "ended");
        recorder.Plan.Should().BeEquivalentTo(new { Epochs = 2, StepsPerEpoch = 3L, Samples = 60L, FirstStep = 0L, TotalSteps = 6L });
        recorder.Steps.Should().OnlyContain(step => step.TotalSteps == 6 && step.SkippedBecause == null);
        recorder.Steps.Select(step => step.Epoch).Should().Equal(0, 0, 0, 1, 1, 1);
        recorder.Epochs.Select(epoch => epoch.Steps).Should().Equal(3, 6);
        recorder.Epochs.Should().OnlyContain(epoch => epoch.TokensPerSecond > 0 && epoch.Validation == null && !epoch.IsBest);
        recorder.Steps.Select(step => step.Elapsed).Should().BeInAscendingOrder();
        recorder.Result.Should().BeSameAs(result);
        result.Epochs.Should().Equal(recorder.Epochs);
    }

    [Theory]
    [InlineData("step")]
    [InlineData("epoch")]
    public void An_exception_in_a_callback_ends_training_and_reaches_the_caller(string where)
    {
        using var model = Make.Classifier();
        model.eval();
        var thrower = new Recorder
        {
            AtStep = _ => { if (where == "step") throw new InvalidTimeZoneException("mine"); },
            AtEpoch = _ => throw new InvalidTimeZoneException("mine"),
        };
        var later = new Recorder();

        var fit = () => new Trainer(model, Make.Sgd(), TaskLosses.CrossEntropy, null, thrower, later).Fit(Make.Clusters());

        fit.Should().Throw<InvalidTimeZoneException>().WithMessage("mine");
        later.Calls.Should().EndWith("ended").And.NotContain("completed");
        thrower.Calls.Should().EndWith("ended");
        model.training.Should().BeFalse();
    }

    [Fact]
    public void Every_callback_is_told_of_the_end_even_if_one_throws_then()
    {
        using var model = Make.Classifier();
        var first = new Recorder { AtEnd = () => throw new InvalidTimeZoneException("first") };
        var second = new Recorder { AtEnd = () => throw new InvalidTimeZoneException("second") };
        var third = new Recorder();

        var fit = () => new Trainer(model, Make.Sgd(), TaskLosses.CrossEntropy, new TrainerOptions { Epochs = 1 }, first, second, third).Fit(Make.Clusters());

        fit.Should().Throw<InvalidTimeZoneException>().WithMessage("first");
        new[] { first, second, third }.Should().OnlyContain(callback => callback.Calls.Contains("ended"));
    }

    [Fact]
    public void An_exception_at_the_end_does_not_hide_why_training_ended()
    {
        using var model = Make.Classifier();
        var callback = new Recorder { AtEnd = () => throw new InvalidTimeZoneException() };

        var fit = () => new Trainer(model, Make.Sgd(), (o, t) => TaskLosses.CrossEntropy(o, t) * double.NaN, null, callback).Fit(Make.Clusters());

        fit.Should().Throw<NonFiniteTrainingException>();
    }

    [Fact]
    public void Cancelled_before_it_begins_it_takes_no_step()
    {
        using var model = Make.Classifier();
        var before = State.Of(model);
        var recorder = new Recorder();
        var trainer = new Trainer(model, Make.Sgd(), TaskLosses.CrossEntropy, null, recorder);
        var cancelled = new CancellationToken(canceled: true);

        trainer.Invoking(t => t.Fit(Make.Clusters(), null, cancelled)).Should().Throw<OperationCanceledException>();
        trainer.Invoking(t => t.Evaluate(Make.Clusters(), cancelled)).Should().Throw<OperationCanceledException>();
        trainer.Invoking(t => t.Predict(Make.Clusters().Inputs, cancellation: cancelled)).Should().Throw<OperationCanceledException>();

        recorder.Calls.Should().Equal("started", "ended");
        State.Of(model).Should().Equal(before);
        model.training.Should().BeTrue();
    }

    [Fact]
    public void Cancelled_in_between_it_stops_after_the_step()
    {
        using var model = Make.Classifier();
        using var source = new CancellationTokenSource();
        Dictionary<string, string> last = [];
        var recorder = new Recorder
        {
            AtStep = step =>
            {
                last = State.Of(model);
                if (step.Step == 3)
                    source.Cancel();
            },
        };

        var fit = () => new Trainer(model, Make.Sgd(), TaskLosses.CrossEntropy, new TrainerOptions { BatchSize = 25 }, recorder).Fit(Make.Clusters(), null, source.Token);

        fit.Should().Throw<OperationCanceledException>().Which.CancellationToken.Should().Be(source.Token);
        recorder.Calls.Should().EndWith(["step 3", "ended"]);
        State.Of(model).Should().Equal(last);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Every_part_of_the_model_is_put_back_into_the_mode_it_was_in(bool training)
    {
        using var model = new RoutedSequential(nn.BatchNorm1d(4, dtype: ScalarType.Float64), Make.Mixture(), Make.Linear(4, 3));
        model.train(training);
        model.named_children().First().module.train(!training);
        var trainer = new Trainer(model, Make.Sgd(), TaskLosses.CrossEntropy, new TrainerOptions { Epochs = 1 });
        bool[] Modes() => [.. model.named_modules().Select(item => item.module.training)];
        var before = Modes();

        trainer.Evaluate(Make.Clusters());
        Modes().Should().Equal(before);
        trainer.Predict(Make.Clusters().Inputs).Dispose();
        Modes().Should().Equal(before);
        trainer.Fit(Make.Clusters(), Make.Clusters());
        Modes().Should().Equal(before).And.Contain(true).And.Contain(false);
        model.training.Should().Be(training);
    }

    [Fact]
    public void Evaluation_has_no_noise_and_changes_nothing()
    {
        using var model = new RoutedSequential(
            nn.BatchNorm1d(4, dtype: ScalarType.Float64), Make.Mixture(1, Make.Gating with { Noise = new LearnedNoise() }), nn.Dropout(0.5), Make.Linear(4, 3));
        var data = Make.Clusters();
        var trainer = new Trainer(model, Make.Sgd(), TaskLosses.CrossEntropy);
        var before = State.Of(model);
        using var random = get_rng_state();

        var (first, second) = (trainer.Evaluate(data), trainer.Evaluate(data));

        (second.TaskLoss, second.Balance).Should().Be((first.TaskLoss, first.Balance));
        State.Of(model).Should().Equal(before);
        using var now = get_rng_state();
        State.Bits(now).Should().Be(State.Bits(random));
        model.parameters().Select(parameter => parameter.grad is null).Should().NotContain(false);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(7)]
    [InlineData(60)]
    [InlineData(1000)]
    public void Predictions_are_the_models_outputs_in_evaluation_mode(int batch)
    {
        using var scope = NewDisposeScope();
        using var model = new RoutedSequential(Make.Mixture(1, Make.Gating with { Noise = new LearnedNoise() }), nn.Dropout(0.5), Make.Linear(4, 3));
        var data = Make.Clusters();
        model.eval();
        var expected = model.forward(data.Inputs);
        model.train();

        var actual = new Trainer(model, Make.Sgd(), TaskLosses.CrossEntropy, new TrainerOptions { BatchSize = batch }).Predict(data.Inputs);

        actual.requires_grad.Should().BeFalse();
        actual.shape.Should().Equal(60, 3);
        State.Numbers(actual).Should().Equal(State.Numbers(expected), (a, b) => Math.Abs(a - b) < 1e-12);
    }
}
