using Moe.Training;
using Spectre.Console;
using static TorchSharp.torch;

namespace Moe.Terminal.Tests;

public sealed class TerminalProgressTests : IDisposable
{
    private readonly StringWriter _output = new();
    private readonly SetTime _time = new();

    public void Dispose() => _output.Dispose();

    [Fact]
    public void Without_a_terminal_an_epoch_is_a_line_and_the_end_another()
    {
        Run(new TerminalProgress(Plain(), _time), Reports.Plan(epochs: 2));

        Lines().Should().Equal(
            "epoch 1/2  loss 0.5123  balance 1.23  validation loss 0.6000  accuracy 0.9750  12,346 tokens/s",
            "epoch 2/2  loss 0.5123  balance 1.23  validation loss 0.6000  accuracy 0.9750  12,346 tokens/s",
            "2 epochs  loss 0.5123  balance 1.23  validation loss 0.6000  accuracy 0.9750  4.3 s");
    }

    [Fact]
    public void Lines_without_a_terminal_are_not_broken_and_hold_no_escape_codes()
    {
        Run(new TerminalProgress(Plain(width: 20), _time), Reports.Plan(epochs: 2));

        Lines().Should().HaveCount(3);
        _output.ToString().Should().NotContain("\u001b");
    }

    [Theory]
    [InlineData(0, new int[0])]
    [InlineData(2, new[] { 2, 4, 5 })]
    [InlineData(9, new[] { 5 })]
    public void Only_every_so_many_epochs_leave_a_line(int every, int[] expected)
    {
        Run(new TerminalProgress(Plain(), _time) { Title = "fold 1", EpochsPerLine = every }, Reports.Plan(epochs: 5));

        var lines = Lines();
        lines.Should().HaveCount(expected.Length + 1).And.OnlyContain(line => line.StartsWith("fold 1  ", StringComparison.Ordinal));
        lines.SkipLast(1).Select(line => line["fold 1  ".Length..].Split("  ")[0]).Should().Equal(expected.Select(epoch => $"epoch {epoch}/5"));
    }

    [Fact]
    public void Every_so_many_epochs_cannot_be_negative()
    {
        var negative = () => new TerminalProgress(Plain()) { EpochsPerLine = -1 };

        negative.Should().Throw<ArgumentOutOfRangeException>();
    }

    [Fact]
    public void A_model_without_mixtures_has_no_balance_and_one_without_validation_no_metrics()
    {
        var plan = Reports.Plan(epochs: 1);
        var progress = new TerminalProgress(Plain(), _time);
        progress.OnStarted(plan);
        progress.OnEpoch(Reports.Epoch(0, plan, mixture: false, validation: false));

        Lines().Should().Equal("epoch 1/1  loss 0.5123  12,346 tokens/s");
    }

    [Fact]
    public void The_end_says_when_it_came_early()
    {
        var plan = Reports.Plan(epochs: 1);
        var progress = new TerminalProgress(Plain(), _time);
        progress.OnStarted(plan);
        progress.OnCompleted(Reports.Result(plan, stoppedEarly: true));

        Lines().Should().ContainSingle().Which.Should().StartWith("1 epoch, stopped early  ");
    }

    [Fact]
    public void A_collapse_leaves_a_line_and_the_end_says_if_it_was_the_reason()
    {
        var plan = Reports.Plan(epochs: 1);
        var progress = new TerminalProgress(Plain(), _time) { Title = "digits" };
        progress.OnStarted(plan);
        progress.OnStep(Reports.Step(7, plan));
        progress.OnAlert(Reports.Alert(7));
        progress.OnCompleted(Reports.Result(plan) with { StoppedBy = Reports.Alert(7) });

        var lines = Lines();
        lines.Should().HaveCount(2);
        lines[0].Should().Be("digits  Step 7: moe collapses: DeadExperts 3 (at most 0)");
        lines[1].Should().StartWith("digits  1 epoch, stopped by the alarm at step 7  loss ");
    }

    [Fact]
    public void A_training_that_broke_off_says_where()
    {
        var plan = Reports.Plan();
        var progress = new TerminalProgress(Plain(), _time);
        progress.OnStarted(plan);
        progress.OnStep(Reports.Step(0, plan));
        progress.OnEnded();
        progress.OnEnded();

        Lines().Should().Equal("stopped after step 1 of 30");
    }

    [Fact]
    public void A_training_that_never_started_shows_nothing()
    {
        new TerminalProgress(Plain(), _time).OnEnded();

        _output.ToString().Should().BeEmpty();
    }

    [Fact]
    public void Bars_show_share_loss_balance_pace_and_time_left()
    {
        var plan = Reports.Plan(epochs: 2, stepsPerEpoch: 10);
        var progress = new TerminalProgress(Live(), _time) { Title = "digits" };
        progress.OnStarted(plan);
        for (var step = 0; step < 5; step++)
        {
            _time.Pass(0.5);
            progress.OnStep(Reports.Step(step, plan, loss: step));
        }

        Screen().Lines.Should().Equal(
            "digits    ━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━  25 %  step 5/20  ETA 0:08",
            "epoch 1/2 ━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━  50 %  loss 2.0000  balance 1.25  64 tokens/s");
    }

    [Fact]
    public void Without_unicode_bars_are_made_of_ascii()
    {
        var plan = Reports.Plan(epochs: 1, stepsPerEpoch: 4);
        var progress = new TerminalProgress(Live(unicode: false), _time);
        progress.OnStarted(plan);
        _time.Pass(1);
        progress.OnStep(Reports.Step(0, plan));

        Screen().Lines[0].Should().StartWith("training  ########------------------------  25 %");
    }

    [Fact]
    public void Bars_are_drawn_at_most_ten_times_a_second()
    {
        var plan = Reports.Plan(epochs: 1, stepsPerEpoch: 1000);
        var progress = new TerminalProgress(Live(), _time);
        progress.OnStarted(plan);
        for (var step = 0; step < 1000; step++)
        {
            _time.Pass(0.001);
            progress.OnStep(Reports.Step(step, plan));
        }

        _output.ToString().Split("step ").Should().HaveCountLessThan(15);
    }

    [Fact]
    public void A_resumed_training_begins_where_it_was_and_reckons_by_its_own_pace()
    {
        var plan = Reports.Plan(epochs: 4, stepsPerEpoch: 10, firstStep: 25);
        var progress = new TerminalProgress(Live(), _time);
        progress.OnStarted(plan);
        Screen().Lines.Should().HaveCount(3);
        Screen().Lines[0].Should().Be("resumed at step 25 of 40");
        Screen().Lines[1].Should().Contain(" 62 %  step 25/40");
        Screen().Lines[2].Should().StartWith("epoch 3/4").And.Contain(" 50 %");

        _time.Pass(2);
        progress.OnStep(Reports.Step(25, plan));
        Screen().Lines[1].Should().EndWith("step 26/40  ETA 0:28");
    }

    [Fact]
    public void A_training_resumed_at_its_very_end_has_nothing_to_draw_wrong()
    {
        var plan = Reports.Plan(firstStep: 30);
        Run(new TerminalProgress(Live(), _time), plan);

        Screen().Lines.Should().ContainSingle().Which.Should().StartWith("3 epochs  ");
    }

    [Fact]
    public void Skipped_steps_are_counted_and_leave_no_trace_in_the_means()
    {
        var plan = Reports.Plan(epochs: 1);
        var progress = new TerminalProgress(Live(), _time);
        progress.OnStarted(plan);
        progress.OnStep(Reports.Step(0, plan, loss: 2));
        _time.Pass(1);
        progress.OnStep(Reports.Step(1, plan, skipped: "the task's loss is NaN or infinite"));

        Screen().Lines[0].Should().EndWith("1 skipped");
        Screen().Lines[1].Should().Contain("loss 2.0000");
    }

    [Fact]
    public void What_others_write_goes_above_the_bars_and_in_the_end_only_lines_remain()
    {
        var console = Live();
        var plan = Reports.Plan(epochs: 2);
        var progress = new TerminalProgress(console, _time);
        progress.OnStarted(plan);
        console.WriteLine("hello");
        Screen().Lines.Should().HaveCount(3);
        Screen().Lines[0].Should().Be("hello");

        Run(progress, plan);
        Screen().Lines.Select(line => line.Split("  ")[0]).Should().Equal("hello", "epoch 1/2", "epoch 2/2", "2 epochs");
        Screen().CursorWasHidden.Should().BeTrue();
        Screen().CursorIsVisible.Should().BeTrue();
    }

    [Theory]
    [InlineData(10)]
    [InlineData(40)]
    [InlineData(80)]
    [InlineData(200)]
    public void Bars_never_wrap(int width)
    {
        var plan = Reports.Plan(epochs: 1000, stepsPerEpoch: 1_000_000);
        var progress = new TerminalProgress(Live(width), _time) { Title = "a title that is 長い for a narrow terminal" };
        progress.OnStarted(plan);
        _time.Pass(1);
        progress.OnStep(Reports.Step(0, plan));

        Screen().Lines.Should().HaveCount(2).And.OnlyContain(line => line.Length < width);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Whatever_ends_a_training_the_bars_go_and_the_cursor_is_back(bool cancel)
    {
        using var model = nn.Linear(2, 1);
        using var inputs = rand(64, 2);
        using var targets = rand(64, 1);
        using var cancellation = new CancellationTokenSource();
        var console = Live();
        var fault = new Fault(cancel ? cancellation : null);
        var trainer = new Trainer(
            model, parameters => optim.SGD(parameters, 0.1), TaskLosses.MeanSquaredError,
            new TrainerOptions { Epochs = 2, BatchSize = 8 }, new TerminalProgress(console), fault);
        var fit = () => trainer.Fit(new TrainingData(inputs, targets), cancellation: cancellation.Token);

        if (cancel)
            fit.Should().Throw<OperationCanceledException>();
        else
            fit.Should().Throw<InvalidOperationException>();
        Screen().Lines.Should().Equal("stopped after step 4 of 16");
        Screen().CursorIsVisible.Should().BeTrue();

        console.WriteLine("afterwards");
        Screen().Lines.Should().HaveCount(2, "the bars are not drawn any more");
    }

    [Theory]
    [InlineData(0.2, "0:01")]
    [InlineData(61, "1:01")]
    [InlineData(3600, "1:00:00")]
    [InlineData(90000, "1 d 1:00:00")]
    public void Durations_read_like_a_clock(double seconds, string expected) =>
        ProgressText.Duration(TimeSpan.FromSeconds(seconds)).Should().Be(expected);

    private void Run(TerminalProgress progress, TrainingPlan plan)
    {
        progress.OnStarted(plan);
        for (var step = plan.FirstStep; step < plan.TotalSteps; step++)
        {
            _time.Pass(0.05);
            progress.OnStep(Reports.Step(step, plan));
            if ((step + 1) % plan.StepsPerEpoch == 0)
                progress.OnEpoch(Reports.Epoch((int)(step / plan.StepsPerEpoch), plan));
        }
        progress.OnCompleted(Reports.Result(plan));
        progress.OnEnded();
    }

    private string[] Lines() => _output.ToString().ReplaceLineEndings("\n").TrimEnd('\n').Split('\n');

    private Screen Screen() => new(_output.ToString());

    private IAnsiConsole Plain(int width = 80) => Make(AnsiSupport.No, InteractionSupport.No, isTerminal: false, width, unicode: true);

    private IAnsiConsole Live(int width = 120, bool unicode = true) => Make(AnsiSupport.Yes, InteractionSupport.Yes, isTerminal: true, width, unicode);

    private IAnsiConsole Make(AnsiSupport ansi, InteractionSupport interactive, bool isTerminal, int width, bool unicode)
    {
        var console = AnsiConsole.Create(new AnsiConsoleSettings
        {
            Ansi = ansi,
            Interactive = interactive,
            ColorSystem = ColorSystemSupport.NoColors,
            Out = new Sink(_output, isTerminal),
        });
        console.Profile.Width = width;
        console.Profile.Capabilities.Unicode = unicode;
        return console;
    }

    private sealed class Sink(TextWriter writer, bool isTerminal) : IAnsiConsoleOutput
    {
        public TextWriter Writer => writer;

        public bool IsTerminal => isTerminal;

        public int Width => 80;

        public int Height => 24;

        public void SetEncoding(System.Text.Encoding encoding)
        {
        }
    }

    /// <summary>Ends the training after its fourth step.</summary>
    private sealed class Fault(CancellationTokenSource? cancellation) : TrainerCallback
    {
        public override void OnStep(StepReport report)
        {
            if (report.Step != 3)
                return;
            if (cancellation is null)
                throw new InvalidOperationException("Enough.");
            cancellation.Cancel();
        }
    }
}
