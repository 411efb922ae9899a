using Moe.Training.Tests.Checkpoints;

namespace Moe.Training.Tests.Watching;

/// <summary>An alarm's window and what it has changed are part of a checkpoint.</summary>
public sealed class AlarmResumeTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    private CheckpointOptions Checkpoint => new() { Path = _folder.File() };

    public void Dispose() => _folder.Dispose();

    public static TheoryData<int> Steps => [.. Enumerable.Range(0, 3 * SmallTraining.StepsPerEpoch)];

    [Theory]
    [MemberData(nameof(Steps))]
    public void A_training_cancelled_after_any_step_and_resumed_is_alarmed_as_one_that_was_not(int step)
    {
        var (training, alerts) = Alarmed(_ => AlarmResponse.MultiplyLambda(1.5) with { Revival = new() { GateNoise = 0.3 } });
        var expected = training.Run();
        var told = alerts.ToArray();
        told.Should().HaveCountGreaterThan(1);
        alerts.Clear();

        training.Run(Checkpoint, cancelAfter: step).Result.Should().BeNull();
        training.Run(Checkpoint, seed: 2).ShouldBe(expected);

        alerts.Should().Equal(told);
    }

    [Fact]
    public void Cancelled_after_every_single_step_it_still_gives_the_same_bits()
    {
        var (training, alerts) = Alarmed(_ => AlarmResponse.MultiplyLambda(1.5) with { Revival = new() });
        var expected = training.Run();
        var told = alerts.ToArray();
        alerts.Clear();

        for (var step = 1; step < 3 * SmallTraining.StepsPerEpoch; step++)
            training.Run(Checkpoint, seed: step, cancelAfter: step).Result.Should().BeNull();
        training.Run(Checkpoint, seed: 99).ShouldBe(expected);

        alerts.Should().Equal(told);
    }

    [Theory]
    [InlineData(5, 1)]
    [InlineData(4, 1)]
    [InlineData(8, 2)]
    public void A_training_that_was_stopped_stays_stopped(int window, int epochs)
    {
        var (training, alerts) = Alarmed(_ => AlarmResponse.Stop, window);

        var first = training.Run(Checkpoint);
        var again = training.Run(Checkpoint, seed: 2);

        first.Result!.StoppedBy.Should().NotBeNull();
        first.Result.Steps.Should().Be(window);
        first.Result.Epochs.Should().HaveCount(epochs);
        again.ShouldBe(first);
        again.Result!.StoppedBy!.ToString().Should().Be(first.Result.StoppedBy!.ToString());
        again.Observer.Steps.Should().BeEmpty();
        alerts.Should().ContainSingle();
    }

    [Fact]
    public void Stopped_by_the_last_step_of_an_epoch_and_killed_before_it_was_judged_it_is_judged_when_resumed()
    {
        var (training, _) = Alarmed(_ => AlarmResponse.Stop, SmallTraining.StepsPerEpoch);
        var expected = training.Run();
        var (killed, _) = Alarmed(_ => AlarmResponse.Stop, SmallTraining.StepsPerEpoch);
        var copy = _folder.File("copy.ckpt");

        // What a kill leaves: the file as it was when the step had been taken and the epoch not yet closed.
        killed.Run(Checkpoint with { EverySteps = SmallTraining.StepsPerEpoch }, inEpoch: () => File.Copy(_folder.File(), copy));
        var resumed = training.Run(Checkpoint with { Path = copy }, seed: 2);

        resumed.ShouldBe(expected);
        resumed.Observer.Steps.Should().BeEmpty();
    }

    [Theory]
    [InlineData("\"RaisedLambda\":1", "\"RaisedLambda\":0", "*factor on λ (0)*")]
    [InlineData("\"RaisedLambda\":1", "\"RaisedLambda\":\"NaN\"", "*factor on λ (NaN)*")]
    [InlineData("\"Steps\":0", "\"Steps\":-1", "*window of -1 steps*")]
    [InlineData("\"Health\":{}}", "\"Health\":{\"0\":{\"Tokens\":1,\"LogitNorm\":1,\"WeightMargin\":1}}}", "*counts and health of different mixtures*")]
    [InlineData("\"Window\":{", "\"Window\":null,\"Other\":{", "*")]
    public void What_contradicts_itself_is_refused(string written, string instead, string message)
    {
        var json = new TrainingProgress().ToJson();
        var at = json.IndexOf("\"Window\"", StringComparison.Ordinal);
        var broken = json[..at] + json[at..].Replace(written, instead, StringComparison.Ordinal);

        broken.Should().NotBe(json);
        TrainingProgress.FromJson("file", json).RaisedLambda.Should().Be(1);
        FluentActions.Invoking(() => TrainingProgress.FromJson("file", broken)).Should().Throw<InvalidDataException>().WithMessage(message);
    }

    private static (SmallTraining Training, List<string> Alerts) Alarmed(Func<CollapseAlert, AlarmResponse> respond, int window = 5)
    {
        var alerts = new List<string>();
        var alarm = new CollapseAlarm(new() { Window = window, MinEntropy = 1 }, alert =>
        {
            alerts.Add(alert.ToString());
            return respond(alert);
        });
        var small = new SmallTraining();
        return (new SmallTraining { Collapsed = true, Options = small.Options with { Alarm = alarm, EarlyStoppingPatience = null } }, alerts);
    }
}
