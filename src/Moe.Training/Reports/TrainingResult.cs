namespace Moe.Training;

/// <summary>What came of a training.</summary>
public sealed record TrainingResult
{
    /// <summary>Every epoch, in order, those before a resumption included.</summary>
    public required IReadOnlyList<EpochReport> Epochs { get; init; }

    /// <summary>Optimizer steps in all.</summary>
    public required long Steps { get; init; }

    /// <summary>Whether it ended because no new best came for as long as the patience lasted.</summary>
    public required bool StoppedEarly { get; init; }

    /// <summary>The alert that ended it (<see cref="AlarmResponse.Stop"/>); null otherwise. An epoch that it broke off is neither judged nor in <see cref="Epochs"/>.</summary>
    public CollapseAlert? StoppedBy { get; init; }

    /// <summary>The epoch with the best monitored value; null without validation data.</summary>
    public int? BestEpoch { get; init; }

    /// <summary>That value; null without validation data.</summary>
    public double? BestValue { get; init; }

    /// <summary>Training time, earlier runs included when resumed.</summary>
    public required TimeSpan Elapsed { get; init; }
}
