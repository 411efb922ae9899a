using System.Collections.ObjectModel;
using Moe.Core;

namespace Moe.Training;

/// <summary>A model judged on data it does not learn from, in evaluation mode.</summary>
public sealed record EvaluationReport
{
    /// <summary>L_task, the mean over the samples.</summary>
    public required double TaskLoss { get; init; }

    /// <summary>L_balance; in the default convention 1 at perfect balance, 0 without mixtures. Each batch is judged by itself.</summary>
    public required double Balance { get; init; }

    /// <summary>The other balance losses, before λ, by name.</summary>
    public IReadOnlyDictionary<string, double> Terms { get; init; } = ReadOnlyDictionary<string, double>.Empty;

    /// <summary>The metrics by name.</summary>
    public required IReadOnlyDictionary<string, double> Metrics { get; init; }

    /// <summary>Who answered, for each mixture by its name in the model.</summary>
    public required IReadOnlyDictionary<string, RoutingReport> Routing { get; init; }
}
