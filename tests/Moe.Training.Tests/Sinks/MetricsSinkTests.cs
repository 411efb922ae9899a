using System.Diagnostics.Metrics;
using Moe.Core;

namespace Moe.Training.Tests;

public sealed class MetricsSinkTests
{
    [Fact]
    public void A_training_reports_its_routing_step_by_step()
    {
        using var model = Make.Classifier();
        using var meter = new Meter("a training");
        using var metrics = new RoutingMetrics(meter: meter);
        var recorder = new Recorder();
        var (tokens, entropies, norms) = (0L, new List<double>(), new List<double>());
        using var listener = new MeterListener { InstrumentPublished = (instrument, self) => { if (instrument.Meter == meter) self.EnableMeasurementEvents(instrument); } };
        listener.SetMeasurementEventCallback<long>((instrument, value, _, _) => tokens += instrument.Name == "moe.routing.tokens" ? value : 0);
        listener.SetMeasurementEventCallback<double>((instrument, value, tags, _) =>
        {
            if (instrument.Name == "moe.routing.entropy")
                entropies.Add(value);
            if (instrument.Name == "moe.routing.logit_norm")
                norms.Add(value);
            tags[0].Should().Be(new KeyValuePair<string, object?>("moe.layer", "0"));
        });
        listener.Start();

        new Trainer(model, Make.Sgd(), TaskLosses.CrossEntropy, new() { Epochs = 2 }, recorder, new MetricsSink(metrics)).Fit(Make.Clusters());

        tokens.Should().Be(120);
        entropies.Should().Equal(recorder.Steps.Select(step => step.Routing["0"].Entropy));
        norms.Should().Equal(recorder.Steps.Select(step => step.Health["0"].LogitNorm));
    }

    [Fact]
    public void Steps_that_were_skipped_are_not_reported()
    {
        using var meter = new Meter("skipped");
        using var metrics = new RoutingMetrics(meter: meter);
        var seen = 0;
        using var listener = new MeterListener { InstrumentPublished = (instrument, self) => { if (instrument.Meter == meter) self.EnableMeasurementEvents(instrument); } };
        listener.SetMeasurementEventCallback<long>((_, _, _, _) => seen++);
        listener.Start();
        var sink = new MetricsSink(metrics);

        sink.OnStep(Reports.Step(1, skipped: "the task's loss is NaN or infinite"));
        seen.Should().Be(0);
        sink.OnStep(Reports.Step(2));

        seen.Should().Be(3);
        sink.Metrics.Should().BeSameAs(metrics);
    }

    [Fact]
    public void Null_is_refused()
    {
        using var metrics = new RoutingMetrics();
        FluentActions.Invoking(() => new MetricsSink(null!)).Should().Throw<ArgumentNullException>();
        new MetricsSink(metrics).Invoking(sink => sink.OnStep(null!)).Should().Throw<ArgumentNullException>();
    }
}
