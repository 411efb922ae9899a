namespace Moe.Training.Tests;

public sealed class TensorBoardSinkTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void A_step_writes_its_scalars_with_the_time_of_day()
    {
        var sink = new TensorBoardSink(_folder.File("run"));
        sink.OnStarted(Reports.Plan());
        sink.OnStep(Reports.Step(3));
        sink.OnEnded();

        var scalars = Read();
        scalars.Select(scalar => (scalar.Tag, scalar.Step, scalar.Value)).Should().Equal(
            ("step/loss", 3, 0.5f), ("step/task_loss", 3, 0.25f), ("step/balance", 3, 1.5f),
            ("step/lambda", 3, 0.125f), ("step/learning_rate", 3, 0.0625f), ("step/gradient_norm", 3, 3f));
        scalars.Should().OnlyContain(scalar => Math.Abs(scalar.Time - DateTimeOffset.UtcNow.ToUnixTimeSeconds()) < 600);
    }

    [Fact]
    public void An_epoch_writes_training_validation_metrics_and_entropy_and_health_of_each_mixture()
    {
        var sink = new TensorBoardSink(_folder.File("run"));
        sink.OnStarted(Reports.Plan());
        sink.OnEpoch(Reports.Epoch(1));
        sink.OnEpoch(Reports.Epoch(2, mixture: null, metric: null));

        Read().Select(scalar => (scalar.Tag, scalar.Step, scalar.Value)).Should().Equal(
            ("train/loss", 20, 0.5f), ("train/task_loss", 20, 0.25f), ("train/balance", 20, 1.5f),
            ("validation/task_loss", 20, 0.75f), ("validation/balance", 20, 1.25f), ("validation/accuracy", 20, 0.875f),
            ("routing/moe/entropy", 20, (float)Math.Log(2)), ("routing/moe/logit_norm", 20, 3.5f), ("routing/moe/weight_margin", 20, 0.125f),
            ("train/loss", 30, 0.5f), ("train/task_loss", 30, 0.25f), ("train/balance", 30, 1.5f));
    }

    [Fact]
    public void A_second_balance_loss_is_written_with_its_lambda_and_its_validation()
    {
        var sink = new TensorBoardSink(_folder.File("run"));
        sink.OnStarted(Reports.Plan());
        sink.OnStep(Reports.Step(3) with { Terms = Reports.EpochWithTerm(0).Terms });
        sink.OnEpoch(Reports.EpochWithTerm(0));

        Read().Where(scalar => scalar.Tag.Contains("router_z", StringComparison.Ordinal)).Select(scalar => (scalar.Tag, scalar.Step, scalar.Value)).Should().Equal(
            ("step/router_z", 3, 2.5f), ("step/router_z/lambda", 3, 0.0625f), ("train/router_z", 10, 2.5f), ("train/router_z/lambda", 10, 0.0625f), ("validation/router_z", 10, 2.25f));
    }

    [Fact]
    public void Steps_that_were_skipped_or_are_not_asked_for_are_left_out()
    {
        var sink = new TensorBoardSink(_folder.File("run"), everySteps: 2);
        sink.OnStarted(Reports.Plan());
        for (var step = 0; step < 6; step++)
            sink.OnStep(Reports.Step(step, skipped: step == 2 ? "the task's loss is NaN or infinite" : null));

        Read().Where(scalar => scalar.Tag == "step/loss").Select(scalar => scalar.Step).Should().Equal(0, 4);
    }

    [Fact]
    public void A_whole_training_can_be_read_back()
    {
        using var model = Make.Classifier();
        var data = Make.Clusters();
        var recorder = new Recorder();
        var trainer = new Trainer(
            model, Make.AdamW(), TaskLosses.CrossEntropy, new TrainerOptions { Epochs = 2 }, recorder, new TensorBoardSink(_folder.File("run")));

        trainer.Fit(data, data);

        var scalars = Read();
        scalars.Where(s => s.Tag == "step/loss").Select(s => s.Value).Should().Equal(recorder.Steps.Select(step => (float)step.Loss));
        scalars.Where(s => s.Tag == "routing/0/entropy").Select(s => s.Value).Should().Equal(recorder.Epochs.Select(e => (float)e.Routing["0"].Entropy));
    }

    [Fact]
    public void Bad_arguments_are_refused()
    {
        FluentActions.Invoking(() => new TensorBoardSink("")).Should().Throw<ArgumentException>().WithParameterName("folder");
        FluentActions.Invoking(() => new TensorBoardSink("x", 0)).Should().Throw<ArgumentOutOfRangeException>().WithParameterName("everySteps");
        new TensorBoardSink("x").Invoking(sink => sink.OnStep(null!)).Should().Throw<ArgumentNullException>();
        new TensorBoardSink("x").Invoking(sink => sink.OnEpoch(null!)).Should().Throw<ArgumentNullException>();
    }

    private IReadOnlyList<EventScalar> Read() => EventFile.Read(Directory.GetFiles(_folder.File("run")).Should().ContainSingle().Subject);
}
