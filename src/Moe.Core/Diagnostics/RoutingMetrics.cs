using System.Diagnostics.Metrics;

namespace Moe.Core;

/// <summary>
/// Routing as instruments of System.Diagnostics.Metrics, which dotnet-counters shows and OpenTelemetry exports (<c>AddMeter(RoutingMetrics.MeterName)</c>).
/// </summary>
/// <remarks>
/// <para>Counters: <c>moe.routing.tokens</c> ({token}), <c>moe.routing.assignments</c> and <c>moe.routing.assignments.dropped</c> ({assignment}).
/// Gauges of the last batch: <c>moe.routing.entropy</c> (nat), <c>moe.routing.coefficient_of_variation</c>, <c>moe.routing.max_over_mean</c>,
/// <c>moe.routing.dropped_share</c> (1), <c>moe.routing.dead_experts</c> ({expert}), <c>moe.routing.logit_norm</c>, <c>moe.routing.weight_margin</c> (1). Each has
/// the tag <c>moe.layer</c>.</para>
/// <para><c>moe.routing.expert_share</c> (1) has the tag <c>moe.expert</c> besides. For layers with more experts than <see cref="RoutingMetricsOptions.MaxExperts"/>,
/// <c>moe.routing.expert_share.percentile</c> (1) takes its place, with the tag <c>moe.percentile</c>: 0, 25, 50, 75, 100 over the experts, between neighbours linearly.</para>
/// <para>The number of series is bounded, whatever the model: layers beyond <see cref="RoutingMetricsOptions.MaxLayers"/> are one, <see cref="OtherLayers"/>; its counters
/// are sums, its gauges those of whichever reported last. May be used from several threads. Costs next to nothing while nobody listens.</para>
/// </remarks>
public sealed class RoutingMetrics : IDisposable
{
    /// <summary>The name of the meter that is made when none is given.</summary>
    public const string MeterName = "Moe.Routing";

    /// <summary>The value of <c>moe.layer</c> for layers beyond the most that are told apart.</summary>
    public const string OtherLayers = "other";

    private static readonly int[] Percentiles = [0, 25, 50, 75, 100];

    private readonly RoutingMetricsOptions _options;
    private readonly Meter? _owned;
    private readonly HashSet<string> _layers = [];
    private readonly Lock _lock = new();
    private readonly Counter<long> _tokens;
    private readonly Counter<long> _assignments;
    private readonly Counter<long> _dropped;
    private readonly Gauge<double> _entropy;
    private readonly Gauge<double> _variation;
    private readonly Gauge<double> _maxOverMean;
    private readonly Gauge<double> _droppedShare;
    private readonly Gauge<int> _dead;
    private readonly Gauge<double> _logitNorm;
    private readonly Gauge<double> _weightMargin;
    private readonly Gauge<double> _share;
    private readonly Gauge<double> _sharePercentile;
    private readonly Instrument[] _instruments;

    /// <summary>Makes the instruments.</summary>
    /// <param name="options">How many series there may be; the defaults when null.</param>
    /// <param name="meter">What the instruments belong to, such as one of an <see cref="IMeterFactory"/>; a new one called <see cref="MeterName"/> when null. Not owned.</param>
    /// <exception cref="ArgumentException">An option is out of range; the message lists all that are.</exception>
    public RoutingMetrics(RoutingMetricsOptions? options = null, Meter? meter = null)
    {
        _options = options ?? new RoutingMetricsOptions();
        _options.Validate(nameof(options));
        meter ??= _owned = new Meter(MeterName);
        _tokens = meter.CreateCounter<long>("moe.routing.tokens", "{token}", "Real tokens routed.");
        _assignments = meter.CreateCounter<long>("moe.routing.assignments", "{assignment}", "Assignments of tokens to experts, before capacity dropped any.");
        _dropped = meter.CreateCounter<long>("moe.routing.assignments.dropped", "{assignment}", "Assignments dropped because their expert was full.");
        _entropy = meter.CreateGauge<double>("moe.routing.entropy", "nat", "Entropy of the experts' shares: ln E when all get the same, 0 when one gets all.");
        _variation = meter.CreateGauge<double>("moe.routing.coefficient_of_variation", "1", "Standard deviation of the experts' shares over their mean.");
        _maxOverMean = meter.CreateGauge<double>("moe.routing.max_over_mean", "1", "The largest share over the mean share: 1 when all get the same, E when one gets all.");
        _droppedShare = meter.CreateGauge<double>("moe.routing.dropped_share", "1", "Share of assignments dropped because their expert was full.");
        _dead = meter.CreateGauge<int>("moe.routing.dead_experts", "{expert}", "Experts that were assigned nothing.");
        _logitNorm = meter.CreateGauge<double>("moe.routing.logit_norm", "1", "Mean Euclidean norm of a token's raw logits.");
        _weightMargin = meter.CreateGauge<double>("moe.routing.weight_margin", "1", "Mean of a token's largest minus its second largest score.");
        _share = meter.CreateGauge<double>("moe.routing.expert_share", "1", "Share of all assignments that went to an expert.");
        _sharePercentile = meter.CreateGauge<double>("moe.routing.expert_share.percentile", "1", "Percentile over the experts of their shares of all assignments.");
        _instruments =
        [
            _tokens, _assignments, _dropped, _entropy, _variation, _maxOverMean, _droppedShare, _dead, _logitNorm, _weightMargin, _share, _sharePercentile,
        ];
    }

    /// <summary>Reports one batch of one layer, or several together.</summary>
    /// <param name="layer">The layer's name.</param>
    /// <param name="report">Who answered.</param>
    /// <param name="health">How the gate is; null where it was not measured.</param>
    public void Record(string layer, RoutingReport report, GateHealth? health = null)
    {
        ArgumentException.ThrowIfNullOrEmpty(layer);
        ArgumentNullException.ThrowIfNull(report);
        if (!_instruments.Any(instrument => instrument.Enabled))
            return;
        var tag = new KeyValuePair<string, object?>("moe.layer", Bounded(layer));
        var assigned = report.Assigned.Sum();
        _tokens.Add(report.Tokens, tag);
        _assignments.Add(assigned, tag);
        _dropped.Add(assigned - report.Load.Sum(), tag);
        _entropy.Record(report.Entropy, tag);
        _variation.Record(report.CoefficientOfVariation, tag);
        _maxOverMean.Record(report.MaxOverMean, tag);
        _droppedShare.Record(report.DroppedShare, tag);
        _dead.Record(report.DeadExperts.Count, tag);
        if (health is not null)
        {
            _logitNorm.Record(health.LogitNorm, tag);
            _weightMargin.Record(health.WeightMargin, tag);
        }
        if (report.ExpertCount <= _options.MaxExperts)
            RecordShares(report, tag);
        else
            RecordPercentiles(report, tag);
    }

    /// <summary>Ends the meter, unless it was given.</summary>
    public void Dispose() => _owned?.Dispose();

    private string Bounded(string layer)
    {
        lock (_lock)
            return _layers.Contains(layer) || (_layers.Count < _options.MaxLayers && _layers.Add(layer)) ? layer : OtherLayers;
    }

    private void RecordShares(RoutingReport report, KeyValuePair<string, object?> layer)
    {
        foreach (var (expert, share) in report.Share.Index())
            _share.Record(share, layer, new("moe.expert", expert));
    }

    private void RecordPercentiles(RoutingReport report, KeyValuePair<string, object?> layer)
    {
        double[] sorted = [.. report.Share.Order()];
        foreach (var percentile in Percentiles)
        {
            var place = percentile / 100.0 * (sorted.Length - 1);
            var below = (int)place;
            var above = Math.Min(below + 1, sorted.Length - 1);
            _sharePercentile.Record(double.Lerp(sorted[below], sorted[above], place - below), layer, new("moe.percentile", percentile));
        }
    }
}
