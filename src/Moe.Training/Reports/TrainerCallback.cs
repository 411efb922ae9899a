namespace Moe.Training;

/// <summary>
/// Is told how a training goes, on the thread that trains. The trainer itself prints and draws nothing. Override what is of interest.
/// </summary>
/// <remarks>An exception thrown here ends the training and reaches the caller of <see cref="Trainer.Fit"/>.</remarks>
public abstract class TrainerCallback
{
    /// <summary>Before the first step.</summary>
    /// <param name="plan">What lies ahead.</param>
    public virtual void OnStarted(TrainingPlan plan)
    {
    }

    /// <summary>After each optimizer step, skipped ones too.</summary>
    /// <param name="report">Its numbers.</param>
    public virtual void OnStep(StepReport report)
    {
    }

    /// <summary>When a mixture collapses by the rules of <see cref="TrainerOptions.Alarm"/>: after <see cref="OnStep"/> of a window's last step, before anything is done about it.</summary>
    /// <param name="alert">Its numbers.</param>
    public virtual void OnAlert(CollapseAlert alert)
    {
    }

    /// <summary>After each epoch and its validation.</summary>
    /// <param name="report">Its numbers.</param>
    public virtual void OnEpoch(EpochReport report)
    {
    }

    /// <summary>After each checkpoint has been written.</summary>
    /// <param name="path">The file.</param>
    public virtual void OnCheckpoint(string path)
    {
    }

    /// <summary>At the end, unless it ended by an exception.</summary>
    /// <param name="result">What came of it.</param>
    public virtual void OnCompleted(TrainingResult result)
    {
    }

    /// <summary>At the end, however it ended, after <see cref="OnCompleted"/>: close what is open. Not told of a training that is refused before it begins.</summary>
    public virtual void OnEnded()
    {
    }
}
