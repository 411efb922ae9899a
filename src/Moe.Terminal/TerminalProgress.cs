using System.Diagnostics.CodeAnalysis;
using Moe.Training;
using Spectre.Console;

namespace Moe.Terminal;

/// <summary>
/// Shows how a training goes: two live bars (the whole training, the epoch) with loss, balance, tokens per second and the time left, and a
/// line that stays for each epoch and for each collapse that an alarm tells of. Where output is redirected or the terminal cannot move its cursor, only the lines.
/// </summary>
/// <remarks>
/// <para>It draws on the thread that trains, at most ten times a second, and has no threads or timers of its own. What others write to the
/// same console meanwhile appears above the bars. When training ends, in whatever way, the bars go and the cursor is back.</para>
/// <para>One object may show several trainings one after the other, not at the same time.</para>
/// </remarks>
[SuppressMessage("Design", "CA1001", Justification = "The trainer calls OnEnded in every case, which closes what is open.")]
public sealed class TerminalProgress : TrainerCallback
{
    private static readonly TimeSpan BetweenFrames = TimeSpan.FromMilliseconds(100);

    private readonly IAnsiConsole _console;
    private readonly TimeProvider _time;
    private ProgressNumbers? _numbers;
    private LiveLines? _live;
    private TimeSpan _lastFrame;
    private bool _completed;

    /// <summary>Shows progress on a console.</summary>
    /// <param name="console">Where to; the console of the process when null. It decides what is shown: bars if it is interactive and knows ANSI codes.</param>
    public TerminalProgress(IAnsiConsole? console = null)
        : this(console, TimeProvider.System)
    {
    }

    internal TerminalProgress(IAnsiConsole? console, TimeProvider time)
    {
        _console = console ?? AnsiConsole.Console;
        _time = time;
    }

    /// <summary>What is trained, in a few words; begins the lines.</summary>
    /// <value>The default is empty.</value>
    public string Title { get; init; } = "";

    /// <summary>After how many epochs a line stays, the last epoch always included; 0 for none but the summary at the end.</summary>
    /// <value>The default is 1: after each. Range: at least 0.</value>
    public int EpochsPerLine
    {
        get;
        init
        {
            ArgumentOutOfRangeException.ThrowIfNegative(value);
            field = value;
        }
    } = 1;

    private bool IsLive => _console.Profile is { Capabilities: { Interactive: true, Ansi: true }, Out.IsTerminal: true };

    private string Prefix => Title.Length > 0 ? Title + "  " : "";

    /// <inheritdoc/>
    public override void OnStarted(TrainingPlan plan)
    {
        ArgumentNullException.ThrowIfNull(plan);
        CloseLive();
        _completed = false;
        _numbers = new ProgressNumbers(plan, _time);
        if (plan.FirstStep > 0 && plan.FirstStep < plan.TotalSteps)
            WriteLine($"{Prefix}resumed at step {plan.FirstStep} of {plan.TotalSteps}");

        if (IsLive)
        {
            var bars = new ProgressBars(Title, _console.Profile.Capabilities.Unicode);
            _live = new LiveLines(_console, width => bars.Draw(_numbers, width));
            _live.Open();
        }
    }

    /// <inheritdoc/>
    public override void OnStep(StepReport report)
    {
        ArgumentNullException.ThrowIfNull(report);
        if (_numbers is null)
            return;
        _numbers.Add(report);
        if (_live is null || _numbers.Elapsed - _lastFrame < BetweenFrames)
            return;
        _lastFrame = _numbers.Elapsed;
        _live.Paint();
    }

    /// <inheritdoc/>
    public override void OnAlert(CollapseAlert alert)
    {
        ArgumentNullException.ThrowIfNull(alert);
        if (_numbers is not null)
            WriteLine($"{Prefix}{alert}");
    }

    /// <inheritdoc/>
    public override void OnEpoch(EpochReport report)
    {
        ArgumentNullException.ThrowIfNull(report);
        if (_numbers is null)
            return;
        _numbers.Add(report);
        var epochs = _numbers.Plan.Epochs;
        if (EpochsPerLine > 0 && ((report.Epoch + 1) % EpochsPerLine == 0 || report.Epoch + 1 == epochs))
            WriteLine($"{Prefix}{ProgressText.Epoch(report, epochs)}");
    }

    /// <inheritdoc/>
    public override void OnCompleted(TrainingResult result)
    {
        ArgumentNullException.ThrowIfNull(result);
        _completed = true;
        CloseLive();
        WriteLine($"{Prefix}{ProgressText.Summary(result)}");
    }

    /// <inheritdoc/>
    public override void OnEnded()
    {
        CloseLive();
        if (_numbers is not null && !_completed)
            WriteLine($"{Prefix}stopped after step {_numbers.Step} of {_numbers.Plan.TotalSteps}");
        _numbers = null;
    }

    private void CloseLive()
    {
        _live?.Dispose();
        _live = null;
        _lastFrame = TimeSpan.Zero;
    }

    /// <summary>In a log a line stays whole, however narrow the console is said to be: logs are searched line by line.</summary>
    private void WriteLine(string text)
    {
        if (IsLive)
            _console.WriteLine(text);
        else
            _console.Write(new UnbrokenLine(text));
    }
}
