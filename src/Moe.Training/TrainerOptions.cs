using Moe.Core;

namespace Moe.Training;

/// <summary>How a <see cref="Trainer"/> trains. Settings only: data goes to <see cref="Trainer.Fit"/>.</summary>
/// <remarks>Immutable; validated as a whole when a trainer is built from it.</remarks>
public sealed record TrainerOptions
{
    /// <summary>How often all samples are gone through.</summary>
    /// <value>The default is 10. Range: at least 1.</value>
    public int Epochs { get; init; } = 10;

    /// <summary>Samples in one forward pass; the last batch of an epoch may have fewer.</summary>
    /// <value>The default is 32. Range: at least 1.</value>
    public int BatchSize { get; init; } = 32;

    /// <summary>Forward passes whose gradients are added up for one optimizer step.</summary>
    /// <value>The default is 1. Range: at least 1.</value>
    public int AccumulationSteps { get; init; } = 1;

    /// <summary>λ, the weight of the balance in the objective.</summary>
    /// <value>The default is 0.01, as in Switch Transformers. Range: 0 or more at every step.</value>
    public Schedule Lambda { get; init; } = 0.01;

    /// <summary>The learning rate of all parameter groups.</summary>
    /// <value>The default is null: whatever the optimizer was made with. Range: 0 or more at every step.</value>
    public Schedule? LearningRate { get; init; }

    /// <summary>The temperature of all gates; falling values harden soft routing step by step.</summary>
    /// <value>The default is null: the gates keep theirs. Range: above 0 at every step.</value>
    public Schedule? Temperature { get; init; }

    /// <summary>The factor on the noise of all gates with noisy gating; falling values let noise fade.</summary>
    /// <value>The default is null: the gates keep theirs. Range: 0 or more at every step.</value>
    public Schedule? NoiseScale { get; init; }

    /// <summary>Gradients are scaled down to at most this Euclidean norm, taken over all parameters together.</summary>
    /// <value>The default is null: no clipping. Range: above 0.</value>
    public double? MaxGradientNorm { get; init; }

    /// <summary>Metrics measured on the validation data after each epoch.</summary>
    /// <value>The default is none.</value>
    public IReadOnlyList<Metric> Metrics { get; init; } = [];

    /// <summary>The metric, one of <see cref="Metrics"/>, that early stopping and keep-best go by.</summary>
    /// <value>The default is null: the task's loss on the validation data.</value>
    public Metric? Monitor { get; init; }

    /// <summary>Training ends after this many epochs in a row without a new best.</summary>
    /// <value>The default is null: never before the last epoch. Range: at least 1. Needs validation data.</value>
    public int? EarlyStoppingPatience { get; init; }

    /// <summary>Whether the model ends with the parameters of its best epoch rather than of the last.</summary>
    /// <value>The default is false. Needs validation data.</value>
    public bool KeepBest { get; init; }

    /// <summary>What happens on a NaN or infinite loss or gradient.</summary>
    /// <value>The default is <see cref="NonFiniteAction.Stop"/>.</value>
    public NonFiniteAction OnNonFinite { get; init; } = NonFiniteAction.Stop;

    /// <summary>Where and when checkpoints are written, and whether training goes on from one.</summary>
    /// <value>The default is null: no checkpoints.</value>
    public CheckpointOptions? Checkpoint { get; init; }

    /// <summary>Decides the order of the samples: the order of an epoch is a function of seed and epoch alone.</summary>
    /// <value>The default is 0.</value>
    public long Seed { get; init; }

    internal void Validate(string parameterName)
    {
        var failures = new OptionFailures(nameof(TrainerOptions))
            .Require(Epochs >= 1, $"Epochs ({Epochs}) must be at least 1.")
            .Require(BatchSize >= 1, $"BatchSize ({BatchSize}) must be at least 1.")
            .Require(AccumulationSteps >= 1, $"AccumulationSteps ({AccumulationSteps}) must be at least 1.")
            .Require(Lambda is not null, "Lambda (null) must be a schedule or a number.")
            .Require(
                MaxGradientNorm is not { } norm || (norm > 0 && double.IsFinite(norm)),
                $"MaxGradientNorm ({MaxGradientNorm}) must be positive and finite, or null.")
            .Require(Metrics is not null && Metrics.All(metric => metric?.Compute is not null && !string.IsNullOrWhiteSpace(metric.Name)), "Metrics must be a list without null, each with a name and a function.")
            .Require(EarlyStoppingPatience is null or >= 1, $"EarlyStoppingPatience ({EarlyStoppingPatience}) must be at least 1, or null.")
            .Require(Enum.IsDefined(OnNonFinite), $"OnNonFinite ({OnNonFinite}) must be Stop or SkipStep.");
        if (Metrics is not null && Monitor is not null)
            failures.Require(Metrics.Contains(Monitor), $"Monitor ({Monitor.Name}) must be one of Metrics ({string.Join(", ", Metrics.Select(metric => metric?.Name))}).");
        if (Metrics is not null)
        {
            var twice = Metrics.GroupBy(metric => metric?.Name).Where(group => group.Count() > 1).Select(group => group.Key).ToArray();
            failures.Require(twice.Length == 0, $"Metrics must have different names, but {string.Join(", ", twice)} is there more than once.");
        }
        Checkpoint?.Check(failures);
        failures.ThrowIfAny(parameterName);
    }
}
