using Moe.Core;
using static TorchSharp.torch;

namespace Moe.Training;

/// <summary>Collects what the micro-batches of a step measure, on the device, and reads it in one transfer.</summary>
internal sealed class StepSums(RoutedModel model)
{
    private readonly List<(Tensor Values, double Share, string[] Layers)> _batches = [];
    private readonly Dictionary<string, RoutingReport> _routing = [];
    private long _samples;
    private long _tokens;

    /// <summary>Notes one micro-batch, which weighs <paramref name="share"/> of the step; its values outlive its scope, without their graph.</summary>
    public void Add(ObjectiveValue value, RoutingPass pass, double share, long samples)
    {
        using (no_grad())
        {
            var values = stack([value.Task.to(value.Balance.dtype), value.Balance, .. value.Layers]).to(ScalarType.Float64);
            _batches.Add((values.MoveToOuterDisposeScope(), share, [.. pass.Layers.Select(layer => model.NameOf(layer.Layer))]));
        }
        foreach (var (layer, decision) in pass.Layers)
            EpochSums.AddRouting(_routing, model.NameOf(layer), RoutingReport.From(decision));
        _samples += samples;
        _tokens += pass.Layers.Count > 0 ? pass.Layers[0].Decision.ValidTokens : samples;
    }

    /// <summary>Reads everything, the gradients' norm [1] too.</summary>
    public StepOutcome Read(Tensor gradientNorm, double lambda)
    {
        using var onHost = cat([gradientNorm, .. _batches.Select(batch => batch.Values)]).cpu();
        var numbers = onHost.data<double>().ToArray();
        var (task, balance, next) = (0.0, 0.0, 1);
        var layers = new List<(string Layer, double Balance)>();
        foreach (var (_, share, names) in _batches)
        {
            task += share * numbers[next++];
            balance += share * numbers[next++];
            foreach (var name in names)
                layers.Add((name, numbers[next++]));
        }
        return new StepOutcome(task, balance, lambda, numbers[0], _samples, _tokens, layers, _routing);
    }
}
