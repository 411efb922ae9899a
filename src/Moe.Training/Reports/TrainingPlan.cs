namespace Moe.Training;

/// <summary>What a training is about to do, told to callbacks before the first step.</summary>
public sealed record TrainingPlan
{
    /// <summary>Epochs in all.</summary>
    public required int Epochs { get; init; }

    /// <summary>Optimizer steps of an epoch.</summary>
    public required long StepsPerEpoch { get; init; }

    /// <summary>Training samples.</summary>
    public required long Samples { get; init; }

    /// <summary>The step it begins with: 0, or more when resumed.</summary>
    public required long FirstStep { get; init; }

    /// <summary>The epochs of the run that is resumed.</summary>
    public required IReadOnlyList<EpochReport> History { get; init; }

    /// <summary>Optimizer steps in all.</summary>
    public long TotalSteps => Epochs * StepsPerEpoch;
}
