using Moe.Core;

namespace Moe.Training;

/// <summary>What one optimizer step measured, as plain numbers.</summary>
internal sealed record StepOutcome(
    double TaskLoss,
    TermReport Balance,
    IReadOnlyDictionary<string, TermReport> Terms,
    double GradientNorm,
    long Samples,
    long Tokens,
    IReadOnlyDictionary<string, RoutingReport> Routing,
    IReadOnlyDictionary<string, GateHealth> Health)
{
    public double Loss => Terms.Values.Aggregate(TaskLoss + Balance.Lambda * Balance.Value, (sum, term) => sum + term.Lambda * term.Value);

    /// <summary>The first loss that is not finite, by name; null when all are.</summary>
    public string? NonFiniteLoss { get; init; }

    public string? SkippedBecause { get; init; }
}
