namespace Moe.Training;

/// <summary>
/// Watches the routing of a training and answers when it collapses: when few experts get all tokens, and the others nothing to learn from (Shazeer et al. 2017, section 4).
/// </summary>
/// <remarks>
/// Each mixture is judged over windows of steps that follow each other; the window under way is part of a checkpoint. For each mixture that broke a rule,
/// callbacks are told first (<see cref="TrainerCallback.OnAlert"/>), then <see cref="Respond"/> is asked; what it answers is done before the next step.
/// </remarks>
public sealed class CollapseAlarm
{
    /// <summary>Sets an alarm.</summary>
    /// <param name="options">When it goes off; the defaults when null.</param>
    /// <param name="respond">
    /// Says what to do about an alert, on the thread that trains; warns only when null. To resume bit for bit it must answer equal alerts equally. What it throws ends the training.
    /// </param>
    /// <exception cref="ArgumentException">An option is out of range; the message lists all that are.</exception>
    public CollapseAlarm(CollapseAlarmOptions? options = null, Func<CollapseAlert, AlarmResponse>? respond = null)
    {
        Options = options ?? new CollapseAlarmOptions();
        Options.Validate(nameof(options));
        Respond = respond ?? (_ => AlarmResponse.Warn);
    }

    /// <summary>When it goes off.</summary>
    public CollapseAlarmOptions Options { get; }

    /// <summary>Says what to do about an alert.</summary>
    public Func<CollapseAlert, AlarmResponse> Respond { get; }
}
