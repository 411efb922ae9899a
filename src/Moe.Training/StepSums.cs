using Moe.Core;
using static TorchSharp.torch;

namespace Moe.Training;

/// <summary>Adds up what the micro-batches of a step measure, on the device, and reads it in one transfer.</summary>
internal sealed class StepSums(RoutedModel model)
{
    private readonly List<Tensor> _losses = [];
    private readonly List<Tensor> _balances = [];
    private readonly List<(string Layer, double Share, Tensor Balance)> _layers = [];
    private readonly List<(string Layer, RoutingReport Report)> _routing = [];
    private long _samples;
    private long _tokens;

    public void Add(ObjectiveValue value, RoutingPass pass, double share, long samples)
    {
        _losses.Add(Keep(value.Task, share));
        _balances.Add(Keep(value.Balance, share));
        foreach (var (layer, balance) in pass.Layers.Zip(value.Layers))
        {
            _layers.Add((model.NameOf(layer.Layer), share, Keep(balance, share)));
            _routing.Add((model.NameOf(layer.Layer), RoutingReport.From(layer.Decision)));
        }
        _samples += samples;
        _tokens += pass.Layers.Count > 0 ? pass.Layers[0].Decision.ValidTokens : samples;
    }

    public StepOutcome Read(Tensor gradientNorm, double lambda)
    {
        using var onHost = stack(
            [stack(_losses).sum(), stack(_balances).sum(), gradientNorm.reshape([]), .. _layers.Select(layer => layer.Balance)]).cpu();
        var numbers = onHost.data<double>().ToArray();
        return new StepOutcome(
            numbers[0], numbers[1], lambda, numbers[2], _samples, _tokens,
            [.. _layers.Select((layer, index) => (layer.Layer, numbers[3 + index] / layer.Share))],
            _routing);
    }

    /// <summary>The scaled value without its graph, kept beyond the micro-batch's scope.</summary>
    private static Tensor Keep(Tensor value, double share)
    {
        var number = value.detach().to(ScalarType.Float64);
        return (share == 1 ? number : number.mul(share)).MoveToOuterDisposeScope();
    }
}
