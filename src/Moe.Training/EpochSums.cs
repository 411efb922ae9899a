using Moe.Core;

namespace Moe.Training;

/// <summary>What an epoch adds up from its steps; part of a checkpoint, so that a resumed epoch reports what an uninterrupted one does.</summary>
internal sealed class EpochSums
{
    public double TaskLoss { get; set; }

    public double Balance { get; set; }

    public double Loss { get; set; }

    /// <summary>Values and λs of the terms, each times samples.</summary>
    public Dictionary<string, TermReport> Terms { get; set; } = [];

    public long Samples { get; set; }

    public long Tokens { get; set; }

    public double Seconds { get; set; }

    public Dictionary<string, RoutingReport> Routing { get; set; } = [];

    public Dictionary<string, GateHealth> Health { get; set; } = [];

    public void Add(StepOutcome outcome, double seconds)
    {
        Seconds += seconds;
        if (outcome.SkippedBecause is not null)
            return;
        TaskLoss += outcome.TaskLoss * outcome.Samples;
        Balance += outcome.Balance.Value * outcome.Samples;
        Loss += outcome.Loss * outcome.Samples;
        Samples += outcome.Samples;
        Tokens += outcome.Tokens;
        foreach (var (name, term) in outcome.Terms)
        {
            var before = Terms.GetValueOrDefault(name, new TermReport(0, 0));
            Terms[name] = new TermReport(before.Value + term.Value * outcome.Samples, before.Lambda + term.Lambda * outcome.Samples);
        }
        foreach (var (layer, report) in outcome.Routing)
            AddRouting(Routing, layer, report);
        foreach (var (layer, health) in outcome.Health)
            AddHealth(Health, layer, health);
    }

    /// <summary>The epoch under way as means over its samples; NaN where every step was skipped.</summary>
    public EpochReport Report(TrainingProgress progress, EvaluationReport? validation, bool isBest, TimeSpan elapsed) => new()
    {
        Epoch = progress.Epoch,
        Steps = progress.Step,
        Loss = Loss / Samples,
        TaskLoss = TaskLoss / Samples,
        Balance = Balance / Samples,
        Terms = Terms.ToDictionary(term => term.Key, term => new TermReport(term.Value.Value / Samples, term.Value.Lambda / Samples)),
        Validation = validation,
        Routing = Routing,
        Health = Health,
        IsBest = isBest,
        TokensPerSecond = Seconds > 0 ? Tokens / Seconds : 0,
        Elapsed = elapsed,
    };

    public static void AddRouting(Dictionary<string, RoutingReport> sums, string layer, RoutingReport report) =>
        sums[layer] = sums.TryGetValue(layer, out var before) ? RoutingReport.Combine([before, report]) : report;

    public static void AddHealth(Dictionary<string, GateHealth> sums, string layer, GateHealth health) =>
        sums[layer] = sums.TryGetValue(layer, out var before) ? GateHealth.Combine([before, health]) : health;
}
