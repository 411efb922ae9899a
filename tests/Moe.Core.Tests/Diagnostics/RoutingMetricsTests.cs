using System.Diagnostics.Metrics;

namespace Moe.Core.Tests;

/// <summary>As a listener sees it: names, units, tags, values, and how many series there are.</summary>
public sealed class RoutingMetricsTests
{
    // 9 tokens, 2 choices: one expert full, one dead.
    private static readonly RoutingReport Report = RoutingReport.FromCounts([8, 6, 3, 0], [9, 6, 3, 0], 9, 2);

    private static readonly GateHealth Health = new() { Tokens = 9, LogitNorm = 3.5, WeightMargin = 0.25 };

    [Fact]
    public void Instruments_have_the_names_units_and_descriptions_of_OpenTelemetry()
    {
        using var metrics = new RoutingMetrics();
        using var listener = new Listener();

        listener.Instruments.Should().OnlyContain(instrument => instrument.Meter.Name == "Moe.Routing" && instrument.Description!.EndsWith('.'));
        listener.Instruments.Select(instrument => $"{instrument.Name} {instrument.Unit} {instrument.GetType().Name}").Should().BeEquivalentTo(
            "moe.routing.tokens {token} Counter`1",
            "moe.routing.assignments {assignment} Counter`1",
            "moe.routing.assignments.dropped {assignment} Counter`1",
            "moe.routing.entropy nat Gauge`1",
            "moe.routing.coefficient_of_variation 1 Gauge`1",
            "moe.routing.max_over_mean 1 Gauge`1",
            "moe.routing.dropped_share 1 Gauge`1",
            "moe.routing.dead_experts {expert} Gauge`1",
            "moe.routing.logit_norm 1 Gauge`1",
            "moe.routing.weight_margin 1 Gauge`1",
            "moe.routing.expert_share 1 Gauge`1",
            "moe.routing.expert_share.percentile 1 Gauge`1");
    }

    [Fact]
    public void A_record_is_the_numbers_of_report_and_health_tagged_by_layer_and_expert()
    {
        using var metrics = new RoutingMetrics();
        using var listener = new Listener();

        metrics.Record("blocks.3.moe", Report, Health);

        const string Layer = "moe.layer=blocks.3.moe";
        listener.Values.Should().BeEquivalentTo(new Dictionary<string, double>
        {
            [$"moe.routing.tokens {Layer}"] = 9,
            [$"moe.routing.assignments {Layer}"] = 18,
            [$"moe.routing.assignments.dropped {Layer}"] = 1,
            [$"moe.routing.entropy {Layer}"] = Report.Entropy,
            [$"moe.routing.coefficient_of_variation {Layer}"] = Report.CoefficientOfVariation,
            [$"moe.routing.max_over_mean {Layer}"] = 2,
            [$"moe.routing.dropped_share {Layer}"] = Report.DroppedShare,
            [$"moe.routing.dead_experts {Layer}"] = 1,
            [$"moe.routing.logit_norm {Layer}"] = 3.5,
            [$"moe.routing.weight_margin {Layer}"] = 0.25,
            [$"moe.routing.expert_share {Layer} moe.expert=0"] = 0.5,
            [$"moe.routing.expert_share {Layer} moe.expert=1"] = 6 / 18.0,
            [$"moe.routing.expert_share {Layer} moe.expert=2"] = 3 / 18.0,
            [$"moe.routing.expert_share {Layer} moe.expert=3"] = 0,
        });
    }

    [Fact]
    public void Counters_add_up_gauges_do_not_and_health_that_was_not_measured_is_not_told()
    {
        using var metrics = new RoutingMetrics();
        using var listener = new Listener();

        metrics.Record("0", Report);
        metrics.Record("0", RoutingReport.FromCounts([1, 1], [1, 1], 2, 1));

        listener.Values["moe.routing.tokens moe.layer=0"].Should().Be(11);
        listener.Values["moe.routing.assignments moe.layer=0"].Should().Be(20);
        listener.Values["moe.routing.assignments.dropped moe.layer=0"].Should().Be(1);
        listener.Values["moe.routing.max_over_mean moe.layer=0"].Should().Be(1);
        listener.Values.Keys.Should().NotContain(key => key.Contains("logit_norm") || key.Contains("weight_margin"));
    }

    [Fact]
    public void With_256_experts_shares_come_as_five_percentiles()
    {
        using var metrics = new RoutingMetrics();
        using var listener = new Listener();
        long[] counts = [.. Enumerable.Range(0, 256).Select(expert => (long)expert)];

        metrics.Record("0", RoutingReport.FromCounts(counts, counts, counts.Sum(), 1));

        // The shares in order are 0 … 255 over their sum, so that percentile q lies at q/100 · 255.
        listener.Values.Where(item => item.Key.Contains("expert_share")).Should().BeEquivalentTo(
            new[] { 0, 25, 50, 75, 100 }.ToDictionary(
                percentile => $"moe.routing.expert_share.percentile moe.layer=0 moe.percentile={percentile}", percentile => percentile / 100.0 * 255 / counts.Sum()),
            options => options.Using<double>(check => check.Subject.Should().BeApproximately(check.Expectation, 1e-15)).WhenTypeIs<double>());
    }

    [Theory]
    [InlineData(16, false)]
    [InlineData(17, true)]
    public void The_limit_of_experts_is_the_last_that_has_a_series_each(int experts, bool percentiles)
    {
        using var metrics = new RoutingMetrics();
        using var listener = new Listener();
        long[] counts = [.. Enumerable.Repeat(1L, experts)];

        metrics.Record("0", RoutingReport.FromCounts(counts, counts, experts, 1));

        listener.Values.Keys.Count(key => key.Contains("moe.expert=")).Should().Be(percentiles ? 0 : 16);
        listener.Values.Keys.Count(key => key.Contains("moe.percentile=")).Should().Be(percentiles ? 5 : 0);
    }

    [Fact]
    public void A_thousand_layers_are_sixty_four_and_the_others()
    {
        using var metrics = new RoutingMetrics();
        using var listener = new Listener();
        for (var round = 0; round < 2; round++)
        {
            for (var layer = 0; layer < 1000; layer++)
                metrics.Record($"{layer}", Report, Health);
        }

        listener.Values.Keys.Where(key => key.StartsWith("moe.routing.entropy ", StringComparison.Ordinal)).Should().BeEquivalentTo(
            [.. Enumerable.Range(0, 64).Select(layer => $"moe.routing.entropy moe.layer={layer}"), "moe.routing.entropy moe.layer=other"]);
        listener.Values.Should().HaveCount(65 * 14, "that is what 65 layers of 4 experts have");
        listener.Values["moe.routing.tokens moe.layer=63"].Should().Be(18);
        listener.Values["moe.routing.tokens moe.layer=other"].Should().Be(936 * 18);
    }

    [Fact]
    public void No_layers_and_no_experts_of_their_own_leave_ten_and_five_series()
    {
        using var metrics = new RoutingMetrics(new() { MaxLayers = 0, MaxExperts = 0 });
        using var listener = new Listener();

        metrics.Record("0", Report, Health);
        metrics.Record("1", Report, Health);

        listener.Values.Should().HaveCount(15);
    }

    [Fact]
    public void Several_threads_may_record_and_the_bounds_hold()
    {
        using var metrics = new RoutingMetrics(new() { MaxLayers = 3 });
        using var listener = new Listener();

        Parallel.For(0, 400, round => metrics.Record($"{round % 20}", Report));

        listener.Values.Keys.Count(key => key.StartsWith("moe.routing.tokens ", StringComparison.Ordinal)).Should().Be(4);
        listener.Values.Where(item => item.Key.StartsWith("moe.routing.tokens ", StringComparison.Ordinal)).Sum(item => item.Value).Should().Be(400 * 9);
    }

    [Fact]
    public void Its_own_meter_ends_with_it_and_a_given_one_does_not()
    {
        using var meter = new Meter("mine");
        using var listener = new Listener("mine");
        using (var given = new RoutingMetrics(meter: meter))
            given.Record("0", Report);
        using var own = new Listener();
        new RoutingMetrics().Dispose();

        listener.Values.Should().NotBeEmpty();
        listener.Completed.Should().Be(0);
        own.Completed.Should().Be(12);
    }

    [Fact]
    public void Bad_options_and_arguments_are_refused()
    {
        FluentActions.Invoking(() => new RoutingMetrics(new() { MaxExperts = -1, MaxLayers = -2 }))
            .Should().Throw<ArgumentException>().WithParameterName("options").WithMessage("*MaxExperts (-1)*MaxLayers (-2)*");
        using var metrics = new RoutingMetrics();
        metrics.Invoking(m => m.Record("", Report)).Should().Throw<ArgumentException>().WithParameterName("layer");
        metrics.Invoking(m => m.Record("0", null!)).Should().Throw<ArgumentNullException>().WithParameterName("report");
    }

    /// <summary>Sums counters and keeps the last value of gauges, by name and tags, as an exporter does.</summary>
    private sealed class Listener : IDisposable
    {
        private readonly MeterListener _listener = new();

        public Listener(string meter = RoutingMetrics.MeterName)
        {
            _listener.InstrumentPublished = (instrument, listener) =>
            {
                if (instrument.Meter.Name != meter)
                    return;
                Instruments.Add(instrument);
                listener.EnableMeasurementEvents(instrument);
            };
            _listener.MeasurementsCompleted = (_, _) => Completed++;
            _listener.SetMeasurementEventCallback<long>((instrument, value, tags, _) => Note(instrument, value, tags, add: true));
            _listener.SetMeasurementEventCallback<int>((instrument, value, tags, _) => Note(instrument, value, tags, add: false));
            _listener.SetMeasurementEventCallback<double>((instrument, value, tags, _) => Note(instrument, value, tags, add: false));
            _listener.Start();
        }

        public List<Instrument> Instruments { get; } = [];

        public Dictionary<string, double> Values { get; } = [];

        public int Completed { get; private set; }

        public void Dispose() => _listener.Dispose();

        private void Note(Instrument instrument, double value, ReadOnlySpan<KeyValuePair<string, object?>> tags, bool add)
        {
            var key = instrument.Name;
            foreach (var (name, tag) in tags)
                key += $" {name}={tag}";
            lock (Values)
                Values[key] = value + (add ? Values.GetValueOrDefault(key) : 0);
        }
    }
}
