using Moe.Core;

namespace Moe.Training;

/// <summary>Hands the routing of each step to <see cref="RoutingMetrics"/>, for dotnet-counters, OpenTelemetry and whoever else listens.</summary>
/// <param name="metrics">The instruments. Not owned.</param>
public sealed class MetricsSink(RoutingMetrics metrics) : TrainerCallback
{
    /// <summary>The instruments.</summary>
    public RoutingMetrics Metrics { get; } = metrics ?? throw new ArgumentNullException(nameof(metrics));

    /// <inheritdoc/>
    public override void OnStep(StepReport report)
    {
        ArgumentNullException.ThrowIfNull(report);
        if (report.SkippedBecause is not null)
            return;
        foreach (var (layer, routing) in report.Routing)
            Metrics.Record(layer, routing, report.Health.GetValueOrDefault(layer));
    }
}
