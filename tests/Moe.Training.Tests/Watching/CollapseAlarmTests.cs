using Moe.Core;
using static TorchSharp.torch;

namespace Moe.Training.Tests.Watching;

/// <summary>A training that collapses, from the first step to what is done about it.</summary>
public sealed class CollapseAlarmTests
{
    private const int StepsPerEpoch = 3;

    [Fact]
    public void A_collapse_is_told_at_the_end_of_each_window_with_the_windows_numbers()
    {
        var run = new Run { Window = 4 };

        run.Fit();

        var alerts = run.Recorder.Alerts;
        alerts.Select(alert => (alert.Layer, alert.Step)).Should().Equal(("0", 3), ("0", 7), ("0", 11));
        foreach (var (alert, window) in alerts.Zip(run.Recorder.Steps.Chunk(4)))
        {
            alert.Broken.Should().Equal(new BrokenRule(CollapseRule.DeadExperts, 3, 0), new BrokenRule(CollapseRule.Entropy, 0, 0.5));
            alert.Routing.Assigned.Should().Equal(window.Sum(step => step.Tokens), 0, 0, 0);
            alert.Health.Tokens.Should().Be(alert.Routing.Tokens);
            alert.Health.LogitNorm.Should().BeApproximately(window.Sum(step => step.Health["0"].LogitNorm * step.Tokens) / window.Sum(step => step.Tokens), 1e-12);
        }
        alerts[0].ToString().Should().Be("Step 3: 0 collapses: DeadExperts 3 (at most 0), Entropy 0 (at least 0.5)");
    }

    [Fact]
    public void Callbacks_are_told_of_the_step_then_of_the_alert_and_then_it_is_answered()
    {
        var run = new Run { Window = 2 };
        run.Respond = _ =>
        {
            run.Recorder.Calls.Add("answered");
            return AlarmResponse.Warn;
        };

        run.Fit();

        run.Recorder.Calls.Take(8).Should().Equal("started", "step 0", "step 1", "alert 1 0", "answered", "step 2", "epoch 0", "step 3");
    }

    [Fact]
    public void A_warning_changes_nothing_in_the_training()
    {
        var (warned, alone) = (new Run(), new Run { Watched = false });

        warned.Fit();
        alone.Fit();

        warned.Recorder.Alerts.Should().NotBeEmpty();
        warned.State.Should().Equal(alone.State);
        warned.Result!.StoppedBy.Should().BeNull();
    }

    [Fact]
    public void A_training_that_is_well_raises_no_alarm()
    {
        var run = new Run { Bias = 0, Options = new() { Window = 3, MinEntropy = 0.3 } };

        run.Fit();

        run.Recorder.Steps.Should().HaveCount(12);
        run.Recorder.Alerts.Should().BeEmpty();
    }

    [Fact]
    public void Lambda_is_multiplied_from_the_next_step_on_and_again_at_the_next_alert()
    {
        var run = new Run { Lambda = Schedule.Linear(0.1, 0.2, 12), Window = 4, Respond = _ => AlarmResponse.MultiplyLambda(3) };

        run.Fit();

        run.Recorder.Steps.Select(step => step.Lambda).Should().Equal(
            Enumerable.Range(0, 12).Select(step => run.Lambda.At(step) * (step < 4 ? 1 : step < 8 ? 3 : 9)), (a, b) => Math.Abs(a - b) < 1e-15);
        run.Recorder.Steps.Should().OnlyContain(step => Math.Abs(step.Loss - step.TaskLoss - step.Lambda * step.Balance) < 1e-12);
    }

    [Fact]
    public void Where_several_mixtures_alert_at_once_lambda_is_multiplied_once_by_the_largest_factor()
    {
        var run = new Run { Layers = 2, Lambda = 0.1, Window = 12, Epochs = 5, Respond = alert => AlarmResponse.MultiplyLambda(alert.Layer == "0" ? 2 : 5) };

        run.Fit();

        run.Recorder.Alerts.Select(alert => (alert.Layer, alert.Step)).Should().Equal(("0", 11), ("1", 11));
        run.Recorder.Steps[12].Lambda.Should().BeApproximately(0.5, 1e-15);
    }

    [Fact]
    public void Dead_experts_come_back_as_copies_of_the_busiest_and_get_tokens()
    {
        // Three clusters of tokens have work for three experts at most.
        var run = new Run { Options = new() { Window = 4, MaxDeadExperts = 1 }, Respond = _ => AlarmResponse.Revive(new() { GateNoise = 0.5 }) };

        run.Fit();

        // The loss is that of one good expert still: copies answer nearly as it did.
        var (before, after) = (run.Recorder.Steps[3], run.Recorder.Steps[4]);
        before.Routing["0"].DeadExperts.Should().HaveCount(3);
        after.Routing["0"].DeadExperts.Should().HaveCountLessThan(2);
        after.TaskLoss.Should().BeLessThan(before.TaskLoss * 1.5);
        run.Recorder.Alerts.Should().ContainSingle("they stay alive");
        run.Recorder.Steps[^1].TaskLoss.Should().BeLessThan(before.TaskLoss);
    }

    [Fact]
    public void The_noise_of_a_revival_is_a_function_of_seed_and_step()
    {
        string Revived(long seed, int randomState)
        {
            manual_seed(randomState);
            var run = new Run { Seed = seed, BatchSize = 1000, Window = 2, Epochs = 2, Respond = _ => AlarmResponse.Revive() };
            run.Fit();
            return run.State["0.experts.0.weight"];
        }

        Revived(1, 5).Should().Be(Revived(1, 6), "torch's global generator has no part in it").And.NotBe(Revived(2, 5));
    }

    [Fact]
    public void Stopped_it_ends_normally_and_says_why()
    {
        var run = new Run { Window = 4, Respond = _ => AlarmResponse.Stop };

        run.Fit();

        run.Recorder.Calls.Should().Equal("started", "step 0", "step 1", "step 2", "epoch 0", "step 3", "alert 3 0", "completed", "ended");
        run.Result!.StoppedBy.Should().BeSameAs(run.Recorder.Alerts[0]);
        run.Result.Steps.Should().Be(4);
        run.Result.StoppedEarly.Should().BeFalse();
        run.Result.Epochs.Should().ContainSingle();
    }

    [Fact]
    public void Stopped_by_the_last_step_of_an_epoch_it_judges_the_epoch_first()
    {
        var run = new Run { Window = StepsPerEpoch, Respond = _ => AlarmResponse.Stop };

        run.Fit();

        run.Recorder.Calls.Should().Equal("started", "step 0", "step 1", "step 2", "alert 2 0", "epoch 0", "completed", "ended");
        run.Result!.StoppedBy.Should().NotBeNull();
    }

    [Fact]
    public void Answers_combine()
    {
        var run = new Run
        {
            Lambda = 0.1,
            Window = 4,
            Respond = _ => AlarmResponse.MultiplyLambda(2) with { Revival = new() { ExpertNoise = 0 }, StopsTraining = true },
        };

        run.Fit();

        run.Result!.Steps.Should().Be(4);
        run.Experts.Skip(1).Should().OnlyContain(expert => expert.SequenceEqual(run.Experts[0]), "they are copies without noise, and nothing was learned since");
        run.Progress.Should().Contain("\"RaisedLambda\":2");
    }

    [Fact]
    public void Skipped_steps_count_as_steps_but_what_they_routed_does_not()
    {
        var run = new Run { Window = 4, SkippedSteps = [1, 2], Epochs = 2 };

        run.Fit();

        run.Recorder.Steps[1].SkippedBecause.Should().NotBeNull();
        run.Recorder.Alerts.Should().ContainSingle().Which.Routing.Tokens.Should().Be(run.Recorder.Steps[0].Tokens + run.Recorder.Steps[3].Tokens);
    }

    [Fact]
    public void A_window_in_which_nothing_was_learned_is_not_judged()
    {
        var run = new Run { Window = 3, SkippedSteps = [0, 1, 2], Epochs = 1 };

        run.Fit();

        run.Recorder.Alerts.Should().BeEmpty();
    }

    [Theory]
    [InlineData("throws", "mine")]
    [InlineData("null", "*0 collapses*response is null*")]
    [InlineData("zero", "*LambdaFactor (0)*")]
    [InlineData("NaN", "*LambdaFactor (NaN)*")]
    [InlineData("endless", "*λ has been raised so often*")]
    [InlineData("unfit", "*modules*")]
    public void An_answer_that_cannot_be_carried_out_ends_the_training_with_the_reason(string answer, string message)
    {
        var run = new Run
        {
            Window = 1,
            LastIsNoModule = answer == "unfit",
            Respond = _ => answer switch
            {
                "throws" => throw new InvalidTimeZoneException("mine"),
                "null" => null!,
                "zero" => AlarmResponse.MultiplyLambda(0),
                "NaN" => AlarmResponse.MultiplyLambda(double.NaN),
                "unfit" => AlarmResponse.Revive(),
                _ => AlarmResponse.MultiplyLambda(1e200),
            },
        };

        run.Invoking(r => r.Fit()).Should().Throw<Exception>().WithMessage(message);

        run.Recorder.Calls.Should().EndWith("ended").And.NotContain("completed");
    }

    [Fact]
    public void Watching_and_reviving_leave_nothing_alive()
    {
        var run = new Run { Window = 2, Respond = _ => AlarmResponse.Revive() };
        run.Prepare();
        Tests.State.LiveAfter(run.Train).Should().Be(0);
        run.Recorder.Alerts.Should().NotBeEmpty();
        run.Dispose();
    }

    /// <summary>A classifier all of whose tokens go to expert 0, since a bias lets no other be chosen, and λ = 0 does not mind.</summary>
    private sealed class Run : IDisposable
    {
        private RoutedSequential? _model;
        private TrainingData? _data;

        public double Bias { get; init; } = 30;

        public int Layers { get; init; } = 1;

        public bool LastIsNoModule { get; init; }

        public bool Watched { get; init; } = true;

        public int Window { get; init; } = 4;

        public CollapseAlarmOptions? Options { get; init; }

        public int Epochs { get; init; } = 4;

        public int BatchSize { get; init; } = 20;

        public long Seed { get; init; }

        public Schedule Lambda { get; init; } = 0;

        public int[] SkippedSteps { get; init; } = [];

        public Func<CollapseAlert, AlarmResponse>? Respond { get; set; }

        public Recorder Recorder { get; } = new();

        public TrainingResult? Result { get; private set; }

        public Dictionary<string, string> State { get; private set; } = [];

        public double[][] Experts { get; private set; } = [];

        /// <summary>What the checkpoint says in plain numbers.</summary>
        public string Progress { get; private set; } = "";

        public void Fit()
        {
            Prepare();
            using var folder = new TemporaryFolder();
            Train(new CheckpointOptions { Path = folder.File() });
            State = Tests.State.Of(_model!);
            var weights = Tests.State.Numbers(_model!.state_dict()["0.experts.0.weight"]);
            Experts = [.. weights.Chunk(weights.Length / 4)];
            Progress = File.ReadAllText(folder.File()).Replace("\\u0022", "\"", StringComparison.Ordinal).Replace("\\\"", "\"", StringComparison.Ordinal);
            Dispose();
        }

        public void Prepare()
        {
            var options = Make.Gating with { TopK = 1, Bias = true };
            var mixtures = Enumerable.Range(0, Layers).Select(layer => Collapsed(layer, options));
            _model = new RoutedSequential([.. mixtures, Make.Linear(4, 3, 9)]);
            _data = Make.Clusters();
        }

        public void Train() => Train(null);

        public void Dispose()
        {
            _model?.Dispose();
            _data?.Inputs.Dispose();
            _data?.Targets.Dispose();
        }

        private void Train(CheckpointOptions? checkpoint)
        {
            var calls = 0;
            Tensor Loss(Tensor output, Tensor target) =>
                TaskLosses.CrossEntropy(output, target) * (SkippedSteps.Contains(calls++) ? double.NaN : 1);
            var trainer = new Trainer(_model!, Make.AdamW(0.02), Loss, new TrainerOptions
            {
                Epochs = Epochs,
                BatchSize = BatchSize,
                Lambda = Lambda,
                Seed = Seed,
                Checkpoint = checkpoint,
                OnNonFinite = NonFiniteAction.SkipStep,
                Alarm = Watched ? new CollapseAlarm(Options ?? new() { Window = Window }, Respond) : null,
            }, Recorder);
            Result = trainer.Fit(_data!);
        }

        private MixtureOfExperts Collapsed(int layer, GatingOptions options)
        {
            IExpert[] experts = [.. Enumerable.Range(0, 4).Select(index => index == 3 && LastIsNoModule ? (IExpert)new DelegateExpert(4, 4, rows => rows) : new LinearExpert(4, 4, dtype: ScalarType.Float64))];
            var mixture = Make.Filled(new MixtureOfExperts(new GatingNetwork(options, dtype: ScalarType.Float64), experts), layer + 1);
            using var noGrad = no_grad();
            using var bias = tensor(new[] { Bias, 0, 0, 0 });
            ((GatingNetwork)mixture.Gate).Bias!.copy_(bias);
            return mixture;
        }
    }
}
