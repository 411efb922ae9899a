using System.Collections.ObjectModel;
using Moe.Core;

namespace Moe.Training;

/// <summary>One optimizer step in plain numbers.</summary>
public sealed record StepReport
{
    /// <summary>Optimizer steps before this one, over all epochs.</summary>
    public required long Step { get; init; }

    /// <summary>The steps of the whole training, if it does not end early.</summary>
    public required long TotalSteps { get; init; }

    /// <summary>The epoch, counted from 0.</summary>
    public required int Epoch { get; init; }

    /// <summary>L = L_task + λ · L_balance + Σ λᵢ · Lᵢ, the mean over the samples.</summary>
    public required double Loss { get; init; }

    /// <summary>L_task.</summary>
    public required double TaskLoss { get; init; }

    /// <summary>L_balance before λ; in the default convention 1 at perfect balance.</summary>
    public required double Balance { get; init; }

    /// <summary>λ at this step.</summary>
    public required double Lambda { get; init; }

    /// <summary>The other balance losses by name, and their λ at this step.</summary>
    public IReadOnlyDictionary<string, TermReport> Terms { get; init; } = ReadOnlyDictionary<string, TermReport>.Empty;

    /// <summary>The learning rate of the first parameter group at this step.</summary>
    public required double LearningRate { get; init; }

    /// <summary>The Euclidean norm of all gradients together, before clipping.</summary>
    public required double GradientNorm { get; init; }

    /// <summary>Samples learned from in this step.</summary>
    public required long Samples { get; init; }

    /// <summary>Real tokens that the first mixture routed in this step; samples for a model without mixtures.</summary>
    public required long Tokens { get; init; }

    /// <summary>
    /// Who answered in this step, for each mixture by its name in the model: over all micro-batches, and over all <see cref="TrainerOptions.Processes"/>. Empty when a skipped step came to nothing before it routed.
    /// </summary>
    public required IReadOnlyDictionary<string, RoutingReport> Routing { get; init; }

    /// <summary>How the gate of each mixture was in this step, by the mixture's name in the model.</summary>
    public IReadOnlyDictionary<string, GateHealth> Health { get; init; } = ReadOnlyDictionary<string, GateHealth>.Empty;

    /// <summary>What was NaN or infinite, so that the step was not taken; null for a step that was.</summary>
    public string? SkippedBecause { get; init; }

    /// <summary>Training time so far, earlier runs included when resumed.</summary>
    public required TimeSpan Elapsed { get; init; }
}
