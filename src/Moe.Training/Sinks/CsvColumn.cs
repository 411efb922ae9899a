using Moe.Core;

namespace Moe.Training;

/// <summary>A column of the CSV file, and what an epoch says in it; null where it says nothing.</summary>
internal sealed record CsvColumn(string Name, Func<EpochReport, object?> Value)
{
    /// <summary>The columns for some epochs: every term, metric and mixture that any of them names, in the order in which they turn up.</summary>
    public static CsvColumn[] Of(IReadOnlyList<EpochReport> epochs) =>
    [
        new("epoch", report => report.Epoch),
        new("steps", report => report.Steps),
        new("loss", report => report.Loss),
        new("task_loss", report => report.TaskLoss),
        new("balance", report => report.Balance),
        .. epochs.SelectMany(epoch => epoch.Terms.Keys).Distinct().SelectMany(Term),
        new("validation_task_loss", report => report.Validation?.TaskLoss),
        new("validation_balance", report => report.Validation?.Balance),
        .. epochs.SelectMany(epoch => epoch.Validation?.Terms.Keys ?? []).Distinct().Select(ValidationTerm),
        .. epochs.SelectMany(epoch => epoch.Validation?.Metrics.Keys ?? []).Distinct().Select(Metric),
        .. epochs.SelectMany(epoch => epoch.Routing.Keys).Distinct().SelectMany(Mixture),
        new("tokens_per_second", report => report.TokensPerSecond),
        new("seconds", report => report.Elapsed.TotalSeconds),
        new("is_best", report => report.IsBest),
    ];

    private static CsvColumn[] Term(string name) =>
    [
        new(name, report => report.Terms.TryGetValue(name, out var term) ? term.Value : null),
        new($"{name}.lambda", report => report.Terms.TryGetValue(name, out var term) ? term.Lambda : null),
    ];

    private static CsvColumn ValidationTerm(string name) =>
        new($"validation_{name}", report => report.Validation is { } validation && validation.Terms.TryGetValue(name, out var value) ? value : null);

    private static CsvColumn Metric(string name) =>
        new(name, report => report.Validation is { } validation && validation.Metrics.TryGetValue(name, out var value) ? value : null);

    private static CsvColumn[] Mixture(string layer)
    {
        return
        [
            new($"{layer}.entropy", Of(routing => routing.Entropy)),
            new($"{layer}.max_over_mean", Of(routing => routing.MaxOverMean)),
            new($"{layer}.dropped_share", Of(routing => routing.DroppedShare)),
            new($"{layer}.dead_experts", Of(routing => routing.DeadExperts.Count)),
            new($"{layer}.logit_norm", report => report.Health.GetValueOrDefault(layer)?.LogitNorm),
            new($"{layer}.weight_margin", report => report.Health.GetValueOrDefault(layer)?.WeightMargin),
        ];

        Func<EpochReport, object?> Of(Func<RoutingReport, object> value) =>
            report => report.Routing.TryGetValue(layer, out var routing) ? value(routing) : null;
    }
}
