using Moe.Core;
using static TorchSharp.torch;

namespace Moe.Training.Tests;

/// <summary>What callers may rely on: order of calls, cancellation, modes, refusals.</summary>
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
        trainer.Invoking(t => t.Predict(Make.Clusters().Inputs, null, cancelled)).Should().Throw<OperationCanceledException>();

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
            nn.BatchNorm1d(4, dtype: ScalarType.Float64), Make.Mixture(1, Make.Gating with { NoisyGating = true }), nn.Dropout(0.5), Make.Linear(4, 3));
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
        using var model = new RoutedSequential(Make.Mixture(1, Make.Gating with { NoisyGating = true }), nn.Dropout(0.5), Make.Linear(4, 3));
        var data = Make.Clusters();
        model.eval();
        var expected = model.forward(data.Inputs);
        model.train();

        var actual = new Trainer(model, Make.Sgd(), TaskLosses.CrossEntropy, new TrainerOptions { BatchSize = batch }).Predict(data.Inputs);

        actual.requires_grad.Should().BeFalse();
        actual.shape.Should().Equal(60, 3);
        State.Numbers(actual).Should().Equal(State.Numbers(expected), (a, b) => Math.Abs(a - b) < 1e-12);
    }

    [Fact]
    public void All_that_is_wrong_with_the_options_is_in_one_message()
    {
        using var model = Make.Linear(4, 2);
        var options = new TrainerOptions
        {
            Epochs = 0,
            BatchSize = -1,
            AccumulationSteps = 0,
            Lambda = null!,
            MaxGradientNorm = 0,
            EarlyStoppingPatience = 0,
            OnNonFinite = (NonFiniteAction)7,
            Metrics = [Metric.Accuracy, Metric.Accuracy],
            Monitor = Metric.MeanAbsoluteError,
        };

        var build = () => new Trainer(model, Make.Sgd(), TaskLosses.MeanSquaredError, options);

        build.Should().Throw<ArgumentException>().WithParameterName("options").Which.Message.Should().Be(
            "TrainerOptions is not valid: Epochs (0) must be at least 1. BatchSize (-1) must be at least 1. AccumulationSteps (0) must be at least 1. "
            + "Lambda (null) must be a schedule or a number. MaxGradientNorm (0) must be positive and finite, or null. "
            + "EarlyStoppingPatience (0) must be at least 1, or null. OnNonFinite (7) must be Stop or SkipStep. "
            + "Monitor (mean_absolute_error) must be one of Metrics (accuracy, accuracy). "
            + "Metrics must have different names, but accuracy is there more than once. (Parameter 'options')");
        foreach (var metrics in new IReadOnlyList<Metric>[] { null!, [null!] })
        {
            FluentActions.Invoking(() => new Trainer(model, Make.Sgd(), TaskLosses.MeanSquaredError, new TrainerOptions { Metrics = metrics }))
                .Should().Throw<ArgumentException>().WithMessage("*Metrics must be a list without null.*");
        }
    }

    [Fact]
    public void Keeping_the_best_and_stopping_early_need_validation_data()
    {
        using var model = Make.Linear(4, 2);
        foreach (var options in new TrainerOptions[] { new() { KeepBest = true }, new() { EarlyStoppingPatience = 3 } })
        {
            var trainer = new Trainer(model, Make.Sgd(), TaskLosses.MeanSquaredError, options);
            trainer.Invoking(t => t.Fit(Make.Curve())).Should().Throw<ArgumentException>().WithParameterName("validation")
                .WithMessage($"KeepBest ({options.KeepBest}) and EarlyStoppingPatience ({options.EarlyStoppingPatience}) need validation data, but there is none.*");
        }
    }

    [Fact]
    public void Null_is_refused_everywhere()
    {
        using var model = Make.Linear(4, 2);
        var trainer = new Trainer(model, Make.Sgd(), TaskLosses.MeanSquaredError);

        Refused(() => new Trainer(null!, Make.Sgd(), TaskLosses.MeanSquaredError), "model");
        Refused(() => new Trainer(model, null!, TaskLosses.MeanSquaredError), "optimizer");
        Refused(() => new Trainer(model, Make.Sgd(), null!), "loss");
        Refused(() => new Trainer(model, Make.Sgd(), TaskLosses.MeanSquaredError, null, null!), "callbacks");
        Refused(() => new Trainer(model, Make.Sgd(), TaskLosses.MeanSquaredError, null, [null!]), "callbacks");
        Refused(() => trainer.Fit(null!), "training");
        Refused(() => trainer.Evaluate(null!), "data");
        Refused(() => trainer.Predict(null!), "inputs");

        static void Refused(Func<object> action, string parameter) => action.Should().Throw<ArgumentException>().WithParameterName(parameter);
    }

    [Fact]
    public void A_mixture_that_no_pass_would_reach_is_refused_by_name()
    {
        using var hidden = new RoutedSequential(nn.Sequential(Make.Mixture()), Make.Linear(4, 3));
        using var plain = nn.Sequential(Make.Mixture());
        using var nested = new MixtureOfExperts(
            new GatingNetwork(Make.Gating with { ExpertCount = 1, TopK = 1 }, dtype: ScalarType.Float64), [new ModuleExpert(nn.Sequential(Make.Mixture()), 4, 4)]);

        Refusal(hidden).Should().Be(
            "The mixture of experts 0.0 lies in 0 (Sequential), which does not hand on a RoutingPass, so that its balance would be lost. "
            + "Let that module implement IRoutedModule, or use RoutedSequential instead of Sequential.");
        Refusal(plain).Should().StartWith("The mixture of experts 0 lies in model (Sequential), which does not");
        Refusal(nested).Should().StartWith("The mixture of experts experts.0.module.0 lies in experts.0.module (Sequential), which does not");

        static string Refusal(nn.Module<Tensor, Tensor> model) =>
            FluentActions.Invoking(() => new Trainer(model, Make.Sgd(), TaskLosses.CrossEntropy)).Should().Throw<ArgumentException>().Which.Message;
    }

    [Fact]
    public void Mixtures_inside_experts_are_reported_beside_the_one_around_them()
    {
        using var model = new MixtureOfExperts(
            new GatingNetwork(Make.Gating with { ExpertCount = 2 }, dtype: ScalarType.Float64),
            [Make.Mixture(1), new ModuleExpert(Make.Mixture(2), 4, 4)]);

        var report = new Trainer(model, Make.AdamW(), TaskLosses.CrossEntropy, new TrainerOptions { Epochs = 1 }).Fit(Make.Clusters()).Epochs.Single();

        report.Routing.Keys.Should().BeEquivalentTo("model", "experts.0", "experts.1.module");
    }

    [Fact]
    public void A_model_of_ones_own_with_a_list_of_layers_works()
    {
        using var model = new Probe(Make.Mixture(1), Make.Mixture(2), Make.Linear(4, 3));

        var report = new Trainer(model, Make.AdamW(), TaskLosses.CrossEntropy, new TrainerOptions { Epochs = 1 }).Fit(Make.Clusters()).Epochs.Single();

        report.Routing.Keys.Should().Equal("layers.0", "layers.1");
        report.Routing.Values.Should().OnlyContain(routing => routing.Tokens == 60);
    }
}
