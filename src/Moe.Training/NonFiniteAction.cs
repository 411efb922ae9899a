namespace Moe.Training;

/// <summary>What to do when a loss or a gradient is NaN or infinite.</summary>
public enum NonFiniteAction
{
    /// <summary>Stop with a <see cref="NonFiniteTrainingException"/> that names step and place.</summary>
    Stop,

    /// <summary>Leave parameters, optimizer and buffers as they were before the step, report it as skipped, and go on with the next batch.</summary>
    SkipStep,
}
