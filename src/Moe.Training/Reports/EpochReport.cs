using System.Collections.ObjectModel;
using Moe.Core;

namespace Moe.Training;

/// <summary>One epoch in plain numbers.</summary>
public sealed record EpochReport
{
    /// <summary>The epoch, counted from 0.</summary>
    public required int Epoch { get; init; }

    /// <summary>Optimizer steps done when it ended.</summary>
    public required long Steps { get; init; }

    /// <summary>L over the epoch's samples, each judged by the parameters of its step; skipped steps do not count.</summary>
    public required double Loss { get; init; }

    /// <summary>L_task likewise.</summary>
    public required double TaskLoss { get; init; }

    /// <summary>L_balance likewise; in the default convention 1 at perfect balance.</summary>
    public required double Balance { get; init; }

    /// <summary>The other balance losses likewise, by name, and their λ.</summary>
    public IReadOnlyDictionary<string, TermReport> Terms { get; init; } = ReadOnlyDictionary<string, TermReport>.Empty;

    /// <summary>The model judged on the validation data after the epoch; null without such data.</summary>
    public EvaluationReport? Validation { get; init; }

    /// <summary>Who answered in training, for each mixture by its name in the model.</summary>
    public required IReadOnlyDictionary<string, RoutingReport> Routing { get; init; }

    /// <summary>How the gate of each mixture was in training, by the mixture's name in the model.</summary>
    public IReadOnlyDictionary<string, GateHealth> Health { get; init; } = ReadOnlyDictionary<string, GateHealth>.Empty;

    /// <summary>Whether it is the best so far by the monitored value.</summary>
    public required bool IsBest { get; init; }

    /// <summary>Real tokens (samples, without mixtures) learned from a second, validation excluded.</summary>
    public required double TokensPerSecond { get; init; }

    /// <summary>Training time so far, earlier runs included when resumed.</summary>
    public required TimeSpan Elapsed { get; init; }
}
