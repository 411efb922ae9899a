using TorchSharp;
using TorchSharp.Modules;

namespace Moe.Training;

/// <summary>Writes scalars to an event file that TensorBoard shows, with optimizer steps along the axis.</summary>
/// <remarks>
/// <para>Tags: <c>step/loss</c>, <c>step/task_loss</c>, <c>step/balance</c>, <c>step/lambda</c>, <c>step/learning_rate</c> and
/// <c>step/gradient_norm</c> for steps that were taken; for epochs <c>train/*</c>, <c>validation/*</c> with each metric by its name, and
/// <c>routing/name/entropy</c>, <c>routing/name/logit_norm</c> and <c>routing/name/weight_margin</c> for each mixture. Each other balance loss has <c>step/name</c>, <c>step/name/lambda</c>, <c>train/name</c>, <c>train/name/lambda</c> and
/// <c>validation/name</c>.</para>
/// <para>Each training adds a file to the folder; one that is resumed repeats the steps that were taken after its checkpoint.</para>
/// </remarks>
public sealed class TensorBoardSink : TrainerCallback
{
    private readonly long _everySteps;
    private SummaryWriter? _writer;

    /// <summary>Names the folder.</summary>
    /// <param name="folder">Where the event file goes; made when a training starts, if missing.</param>
    /// <param name="everySteps">Writes every so many steps, at least 1; more than 1 saves time where steps are short.</param>
    public TensorBoardSink(string folder, long everySteps = 1)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(folder);
        ArgumentOutOfRangeException.ThrowIfLessThan(everySteps, 1);
        Folder = folder;
        _everySteps = everySteps;
    }

    /// <summary>Where the event file goes.</summary>
    public string Folder { get; }

    /// <inheritdoc/>
    public override void OnStarted(TrainingPlan plan) => _writer = torch.utils.tensorboard.SummaryWriter(Folder);

    /// <inheritdoc/>
    public override void OnStep(StepReport report)
    {
        ArgumentNullException.ThrowIfNull(report);
        if (report.SkippedBecause is not null || report.Step % _everySteps != 0)
            return;
        Write("step/loss", report.Loss, report.Step);
        Write("step/task_loss", report.TaskLoss, report.Step);
        Write("step/balance", report.Balance, report.Step);
        Write("step/lambda", report.Lambda, report.Step);
        WriteTerms("step", report.Terms, report.Step);
        Write("step/learning_rate", report.LearningRate, report.Step);
        Write("step/gradient_norm", report.GradientNorm, report.Step);
    }

    /// <inheritdoc/>
    public override void OnEpoch(EpochReport report)
    {
        ArgumentNullException.ThrowIfNull(report);
        Write("train/loss", report.Loss, report.Steps);
        Write("train/task_loss", report.TaskLoss, report.Steps);
        Write("train/balance", report.Balance, report.Steps);
        WriteTerms("train", report.Terms, report.Steps);
        if (report.Validation is { } validation)
        {
            Write("validation/task_loss", validation.TaskLoss, report.Steps);
            Write("validation/balance", validation.Balance, report.Steps);
            foreach (var (name, value) in validation.Terms.Concat(validation.Metrics))
                Write($"validation/{name}", value, report.Steps);
        }
        foreach (var (layer, routing) in report.Routing)
            Write($"routing/{layer}/entropy", routing.Entropy, report.Steps);
        foreach (var (layer, health) in report.Health)
        {
            Write($"routing/{layer}/logit_norm", health.LogitNorm, report.Steps);
            Write($"routing/{layer}/weight_margin", health.WeightMargin, report.Steps);
        }
    }

    private void WriteTerms(string group, IReadOnlyDictionary<string, TermReport> terms, long step)
    {
        foreach (var (name, term) in terms)
        {
            Write($"{group}/{name}", term.Value, step);
            Write($"{group}/{name}/lambda", term.Lambda, step);
        }
    }

    // The writer's own time would be 0, and its null means ticks; TensorBoard reads seconds since 1970.
    private void Write(string tag, double value, long step) =>
        _writer?.add_scalar(tag, (float)value, checked((int)step), DateTimeOffset.UtcNow.ToUnixTimeSeconds());
}
