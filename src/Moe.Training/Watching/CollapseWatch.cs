using Moe.Core;
using static TorchSharp.torch;

namespace Moe.Training;

/// <summary>An alarm at work in one training: adds up, judges, tells, and does what it is answered.</summary>
internal sealed class CollapseWatch(CollapseAlarm alarm, RoutedModel model, long seed)
{
    /// <summary>Takes a step into account, and acts if it was the last of a window.</summary>
    /// <param name="report">The step.</param>
    /// <param name="progress">Holds the window, what λ is raised by, and why training ends.</param>
    /// <param name="tell">Tells callbacks of an alert.</param>
    public void After(StepReport report, TrainingProgress progress, Action<CollapseAlert> tell)
    {
        progress.Window.Add(report);
        if (progress.Window.Steps < alarm.Options.Window)
            return;
        var alerts = Judge(progress.Window, report.Step);
        progress.Window = new AlarmWindow();

        // All are asked before anything is done: the answer to one must not depend on what was done about another.
        foreach (var alert in alerts)
            tell(alert);
        var responses = alerts.ConvertAll(alert => (Alert: alert, Response: Ask(alert)));
        if (responses.Count == 0)
            return;
        progress.RaisedLambda *= responses.Max(item => item.Response.LambdaFactor);
        if (!double.IsFinite(progress.RaisedLambda))
            throw new InvalidOperationException($"{alerts[0]}; and λ has been raised so often that its factor is no finite number any more.");
        Revive(responses, report.Step);
        progress.StoppedBy = responses.FirstOrDefault(item => item.Response.StopsTraining).Alert;
    }

    /// <summary>The mixtures that broke a rule, in the order in which they came up. What routed nothing is not judged.</summary>
    private List<CollapseAlert> Judge(AlarmWindow window, long step)
    {
        var alerts = new List<CollapseAlert>();
        foreach (var (layer, routing) in window.Routing)
        {
            var health = window.Health[layer];
            var broken = alarm.Options.Broken(routing, health, model.MixtureNamed(layer)?.Gate.NullExpertCount ?? 0);
            if (routing.Tokens > 0 && broken.Count > 0)
                alerts.Add(new CollapseAlert { Layer = layer, Step = step, Broken = broken, Routing = routing, Health = health });
        }
        return alerts;
    }

    private AlarmResponse Ask(CollapseAlert alert)
    {
        var response = alarm.Respond(alert) ?? throw new InvalidOperationException($"{alert}; and the alarm's response is null.");
        return response.LambdaFactor > 0 && double.IsFinite(response.LambdaFactor)
            ? response
            : throw new InvalidOperationException($"{alert}; and the response's LambdaFactor ({response.LambdaFactor}) must be positive and finite.");
    }

    private void Revive(List<(CollapseAlert Alert, AlarmResponse Response)> responses, long step)
    {
        // As in the order of an epoch: seeds of neighbouring steps must not be neighbours of another run's.
        using var generator = new Generator(unchecked((ulong)seed * 0x9E3779B97F4A7C15UL + (ulong)(step + 1) * 0x94D049BB133111EBUL), CPU);
        foreach (var (alert, response) in responses)
        {
            if (response.Revival is not { } options)
                continue;
            var mixture = model.MixtureNamed(alert.Layer)
                ?? throw new InvalidOperationException($"{alert}; and {alert.Layer} is no {nameof(MixtureOfExperts)}, so that its experts cannot be brought back.");
            ExpertRevival.ReviveDead(mixture, alert.Routing, options, generator);
        }
    }
}
