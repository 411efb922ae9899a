using Moe.Core;

namespace Moe.Training;

/// <summary>What one optimizer step measured, as plain numbers.</summary>
internal sealed record StepOutcome(
    double TaskLoss,
    double Balance,
    double Lambda,
    double GradientNorm,
    long Samples,
    long Tokens,
    IReadOnlyList<(string Layer, double Balance)> Layers,
    IReadOnlyDictionary<string, RoutingReport> Routing)
{
    public double Loss => TaskLoss + Lambda * Balance;

    public string? SkippedBecause { get; init; }

    /// <summary>The outcome of a step that came to nothing before it measured anything.</summary>
    public static StepOutcome None(double lambda) => new(double.NaN, double.NaN, lambda, double.NaN, 0, 0, [], new Dictionary<string, RoutingReport>());
}
