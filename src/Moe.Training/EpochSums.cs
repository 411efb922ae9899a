using Moe.Core;

namespace Moe.Training;

/// <summary>What an epoch adds up from its steps; part of a checkpoint, so that a resumed epoch reports what an uninterrupted one does.</summary>
internal sealed class EpochSums
{
    public double TaskLoss { get; set; }

    public double Balance { get; set; }

    public double Loss { get; set; }

    public long Samples { get; set; }

    public long Tokens { get; set; }

    public double Seconds { get; set; }

    public Dictionary<string, RoutingReport> Routing { get; set; } = [];

    public void Add(StepOutcome outcome, double seconds)
    {
        Seconds += seconds;
        if (outcome.SkippedBecause is not null)
            return;
        TaskLoss += outcome.TaskLoss * outcome.Samples;
        Balance += outcome.Balance * outcome.Samples;
        Loss += outcome.Loss * outcome.Samples;
        Samples += outcome.Samples;
        Tokens += outcome.Tokens;
        foreach (var (layer, report) in outcome.Routing)
            AddRouting(Routing, layer, report);
    }

    public static void AddRouting(Dictionary<string, RoutingReport> sums, string layer, RoutingReport report) =>
        sums[layer] = sums.TryGetValue(layer, out var before) ? RoutingReport.Combine([before, report]) : report;
}
