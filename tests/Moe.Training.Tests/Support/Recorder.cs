namespace Moe.Training.Tests;

/// <summary>Notes what it is told, and does what a test wants done then.</summary>
internal sealed class Recorder : TrainerCallback
{
    public List<string> Calls { get; } = [];

    public List<StepReport> Steps { get; } = [];

    public List<EpochReport> Epochs { get; } = [];

    public List<CollapseAlert> Alerts { get; } = [];

    public TrainingPlan? Plan { get; private set; }

    public TrainingResult? Result { get; private set; }

    public Action<StepReport>? AtStep { get; init; }

    public Action<EpochReport>? AtEpoch { get; init; }

    public Action? AtEnd { get; init; }

    public override void OnStarted(TrainingPlan plan)
    {
        Calls.Add("started");
        Plan = plan;
    }

    public override void OnStep(StepReport report)
    {
        Calls.Add($"step {report.Step}");
        Steps.Add(report);
        AtStep?.Invoke(report);
    }

    public override void OnAlert(CollapseAlert alert)
    {
        Calls.Add($"alert {alert.Step} {alert.Layer}");
        Alerts.Add(alert);
    }

    public override void OnEpoch(EpochReport report)
    {
        Calls.Add($"epoch {report.Epoch}");
        Epochs.Add(report);
        AtEpoch?.Invoke(report);
    }

    public override void OnCompleted(TrainingResult result)
    {
        Calls.Add("completed");
        Result = result;
    }

    public override void OnEnded()
    {
        Calls.Add("ended");
        AtEnd?.Invoke();
    }
}
