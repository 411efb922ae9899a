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

    /// <summary>L_balance, the loss that <see cref="Lambda"/> weighs.</summary>
    /// <value>The default is E · Σ pᵢ fᵢ (Switch Transformers), 1 at perfect balance.</value>
    public BalanceLoss Balance { get; init; } = new LoadBalance();

    /// <summary>λ, the weight of the balance in the objective.</summary>
    /// <value>The default is 0.01, as in Switch Transformers. Range: 0 or more at every step.</value>
    public Schedule Lambda { get; init; } = 0.01;

    /// <summary>Balance losses besides, each with a λ of its own.</summary>
    /// <value>The default is none. Their names must differ from each other and from those of <see cref="Balance"/> and <see cref="Metrics"/>.</value>
    public IReadOnlyList<BalanceTerm> Terms { get; init; } = [];

    /// <summary>
    /// Moves the selection biases of all gates that have one (<see cref="GatingOptions.SelectionBias"/>): it sees every micro-batch, and moves them once an optimizer
    /// step, when the step is taken.
    /// </summary>
    /// <value>
    /// The default is null: a <see cref="BiasBalancing"/> if a gate has such a bias. A bias that nobody moves would stay zero and balance nothing, as happens where the trainer is not told of it.
    /// </value>
    public SelectionBalancer? SelectionBalancer { get; init; }

    /// <summary>
    /// Adds counts up over the processes that train one model together, for losses over a global batch, for selection biases and for adaptive λ. It adds up counts only: how
    /// gradients are exchanged is up to the optimizer.
    /// </summary>
    /// <value>
    /// The default is null: one process. All must take as many steps of as many micro-batches. A step is skipped by all or by none; logits that are not finite always end training, since the
    /// others are waiting for counts by then.
    /// </value>
    public IProcessSum? Processes { get; init; }

    /// <summary>The learning rate of all parameter groups.</summary>
    /// <value>The default is null: whatever the optimizer was made with. Range: 0 or more at every step.</value>
    public Schedule? LearningRate { get; init; }

    /// <summary>The temperature of all gates; falling values harden soft routing step by step.</summary>
    /// <value>The default is null: the gates keep theirs. Range: above 0 at every step.</value>
    public Schedule? Temperature { get; init; }

    /// <summary>The factor on noise and jitter of all gates; falling values let them fade.</summary>
    /// <value>The default is null: the gates keep theirs. Range: 0 or more at every step.</value>
    public Schedule? NoiseScale { get; init; }

    /// <summary>K of all gates, rounded to the nearest whole number; falling values make dense routing sparse (Nie et al. 2021, section 3.2).</summary>
    /// <value>The default is null: the gates keep theirs. Range: 1 to E of each gate at every step; gates refuse what they cannot do.</value>
    public Schedule? TopK { get; init; }

    /// <summary>
    /// Whether the model learns to predict a sequence token by token. Routers that look at later tokens (<see cref="Router.IsCausal"/>) are refused then: it would learn from what it is
    /// to predict, and score better in training than it can when it generates.
    /// </summary>
    /// <value>The default is false. Checked when the trainer is built, and whenever <see cref="TopK"/> changes K.</value>
    public bool Autoregressive { get; init; }

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

    /// <summary>Watches the routing, and answers when it collapses.</summary>
    /// <value>The default is null: nobody does.</value>
    public CollapseAlarm? Alarm { get; init; }

    /// <summary>Where and when checkpoints are written, and whether training goes on from one.</summary>
    /// <value>The default is null: no checkpoints.</value>
    public CheckpointOptions? Checkpoint { get; init; }

    /// <summary>Decides the order of the samples: the order of an epoch is a function of seed and epoch alone.</summary>
    /// <value>The default is 0.</value>
    public long Seed { get; init; }

    /// <summary>What columns and tags beside the terms' are called.</summary>
    private static readonly string[] ReservedNames = ["loss", "task_loss", "balance", "lambda", "learning_rate", "gradient_norm"];

    internal void Validate(string parameterName)
    {
        var failures = new OptionFailures(nameof(TrainerOptions))
            .Require(Epochs >= 1, $"Epochs ({Epochs}) must be at least 1.")
            .Require(BatchSize >= 1, $"BatchSize ({BatchSize}) must be at least 1.")
            .Require(AccumulationSteps >= 1, $"AccumulationSteps ({AccumulationSteps}) must be at least 1.")
            .Require(Lambda is not null, "Lambda (null) must be a schedule or a number.")
            .Require(Balance is not null, "Balance (null) must be a loss.")
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
        if (Terms is null || Terms.Any(term => term?.Loss is null || term.Lambda is null || string.IsNullOrWhiteSpace(term.Name)))
        {
            failures.Require(false, "Terms must be a list without null, each with a loss, a λ and a name.");
        }
        else if (Balance is not null)
        {
            var twice = Terms.Select(term => term.Name).Prepend(Balance.Name).CountBy(name => name).Where(pair => pair.Value > 1).Select(pair => pair.Key).ToArray();
            failures.Require(twice.Length == 0, $"Terms must have names that differ from each other and from that of Balance, but {string.Join(", ", twice)} is there more than once.");
            string[] reserved = [.. Terms.Select(term => term.Name).Intersect(ReservedNames)];
            failures.Require(reserved.Length == 0, $"Terms must have other names than what reports have anyway, but {string.Join(", ", reserved)} is one of {string.Join(", ", ReservedNames)}.");
            string[] shared = [.. Terms.Select(term => term.Name).Intersect(Metrics?.Select(metric => metric?.Name ?? "") ?? [])];
            failures.Require(shared.Length == 0, $"Terms must have other names than Metrics, but {string.Join(", ", shared)} is the name of both.");
        }
        Checkpoint?.Check(failures);
        failures.ThrowIfAny(parameterName);
    }
}
