using Moe.Core;

namespace Moe.Training;

/// <summary>What an alarm has added up since it last judged; part of a checkpoint, so that a resumed training is judged as an uninterrupted one.</summary>
internal sealed class AlarmWindow
{
    /// <summary>Steps, skipped ones too.</summary>
    public int Steps { get; set; }

    public Dictionary<string, RoutingReport> Routing { get; set; } = [];

    public Dictionary<string, GateHealth> Health { get; set; } = [];

    public void Add(StepReport report)
    {
        Steps++;
        if (report.SkippedBecause is not null)
            return;
        foreach (var (layer, routing) in report.Routing)
            EpochSums.AddRouting(Routing, layer, routing);
        foreach (var (layer, health) in report.Health)
            EpochSums.AddHealth(Health, layer, health);
    }
}
