using Moe.Training;

namespace Moe.Terminal;

/// <summary>What the display knows of a training under way.</summary>
internal sealed class ProgressNumbers(TrainingPlan plan, TimeProvider time)
{
    private readonly long _start = time.GetTimestamp();
    private TimeSpan _epochStart;
    private double _lossSum;
    private double _balanceSum;
    private long _samples;
    private long _tokens;

    public TrainingPlan Plan { get; } = plan;

    /// <summary>Steps done, those before a resumption included.</summary>
    public long Step { get; private set; } = plan.FirstStep;

    /// <summary>The epoch under way, counted from 0.</summary>
    public int Epoch { get; private set; } = (int)Math.Min(plan.FirstStep / plan.StepsPerEpoch, plan.Epochs - 1);

    /// <summary>Steps that were left out for a NaN or infinite number.</summary>
    public long Skipped { get; private set; }

    /// <summary>The mean over the epoch so far; null before its first sample.</summary>
    public double? Loss => _samples == 0 ? null : _lossSum / _samples;

    /// <summary>Likewise; 0 without mixtures.</summary>
    public double? Balance => _samples == 0 ? null : _balanceSum / _samples;

    /// <summary>Time since this run began; a resumed run does not know how fast the one before it was.</summary>
    public TimeSpan Elapsed => time.GetElapsedTime(_start);

    public double TrainingShare => Share(Step, Plan.TotalSteps);

    public double EpochShare => Share(Step - Epoch * Plan.StepsPerEpoch, Plan.StepsPerEpoch);

    /// <summary>In the epoch so far; null before its first step.</summary>
    public double? TokensPerSecond => _tokens == 0 || Elapsed <= _epochStart ? null : _tokens / (Elapsed - _epochStart).TotalSeconds;

    /// <summary>At the pace of this run; null before its first step.</summary>
    public TimeSpan? Left => Step == Plan.FirstStep ? null : Elapsed / (Step - Plan.FirstStep) * (Plan.TotalSteps - Step);

    public void Add(StepReport report)
    {
        Step = report.Step + 1;
        Epoch = report.Epoch;
        _tokens += report.Tokens;
        if (report.SkippedBecause is not null)
        {
            Skipped++;
            return;
        }
        _lossSum += report.Loss * report.Samples;
        _balanceSum += report.Balance * report.Samples;
        _samples += report.Samples;
    }

    public void Add(EpochReport report)
    {
        Step = report.Steps;
        Epoch = Math.Min(report.Epoch + 1, Plan.Epochs - 1);
        (_lossSum, _balanceSum, _samples, _tokens) = (0, 0, 0, 0);
        _epochStart = Elapsed;
    }

    private static double Share(long part, long whole) => whole == 0 ? 1 : Math.Clamp((double)part / whole, 0, 1);
}
