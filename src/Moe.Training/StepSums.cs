using Moe.Core;
using static TorchSharp.torch;

namespace Moe.Training;

/// <summary>Collects what the micro-batches of a step measure, on the device, and reads it in one transfer.</summary>
internal sealed class StepSums(RoutedModel model, Objective objective, double[] lambdas, IProcessSum? processes)
{
    private readonly List<MicroBatch> _batches = [];
    private readonly Dictionary<nn.Module, int> _topK = [];
    private readonly HealthSums _health = new(processes);
    private long _samples;
    private long _tokens;

    /// <summary>λ of the balance, then of the terms.</summary>
    public double[] Lambdas => lambdas;

    /// <summary>What the step has routed so far.</summary>
    public GlobalBatch Routed { get; } = new(processes);

    /// <summary>Counts the decisions of one micro-batch, before losses are computed from them.</summary>
    public void Count(IReadOnlyList<LayerRouting> layers)
    {
        foreach (var layer in layers)
        {
            Routed.Add(layer);
            _topK[layer.Layer] = Math.Max(layer.Decision.TopK, _topK.GetValueOrDefault(layer.Layer));
        }
    }

    /// <summary>Notes one micro-batch, which weighs <paramref name="share"/> of the step; its values outlive its scope, without their graph.</summary>
    public void Add(ObjectiveValue value, IReadOnlyList<LayerRouting> layers, double share, long samples)
    {
        using (no_grad())
        {
            var values = stack([value.Task.to(value.Balance.dtype), .. value.Losses.SelectMany(loss => loss.Layers.Prepend(loss.Value))]).to(ScalarType.Float64);
            var health = layers.Select(layer => GateHealth.Measure(layer.Decision).to(values.device));
            _batches.Add(new MicroBatch(
                cat([values, .. health]).MoveToOuterDisposeScope(), share, Array.ConvertAll(value.Losses, loss => loss.Layers.Count),
                [.. layers.Select(layer => layer.Layer)], [.. layers.Select(layer => layer.Decision.ValidTokens)]));
        }
        _samples += samples;
        _tokens += layers.Count > 0 ? layers[0].Decision.ValidTokens : samples;
    }

    /// <summary>Reads everything, the gradients' norm [1] too.</summary>
    public StepOutcome Read(Tensor gradientNorm)
    {
        using var onHost = cat([gradientNorm, .. _batches.Select(micro => micro.Values)]).cpu();
        var numbers = onHost.data<double>().ToArray();
        var (task, values, next) = (0.0, new double[lambdas.Length], 1);
        string? nonFinite = null;
        foreach (var micro in _batches)
        {
            task += micro.Share * numbers[next++];
            for (var loss = 0; loss < values.Length; loss++)
            {
                var value = numbers[next++];
                var layers = numbers.AsSpan(next, micro.LayerCounts[loss]);
                values[loss] += micro.Share * value;
                if (nonFinite is null && !double.IsFinite(value))
                    nonFinite = Place(loss, layers, micro.Layers);
                next += layers.Length;
            }
            foreach (var (layer, tokens) in micro.Layers.Zip(micro.Tokens))
                _health.Add(model.NameOf(layer), tokens, logitNorm: numbers[next++], weightMargin: numbers[next++]);
        }
        return Outcome(task, values, numbers[0], _health.Read()) with { NonFiniteLoss = double.IsFinite(task) ? nonFinite : "the task's loss" };
    }

    /// <summary>The outcome of a step that came to nothing before it measured anything.</summary>
    public StepOutcome Nothing()
    {
        (_samples, _tokens) = (0, 0);
        _topK.Clear();
        return Outcome(double.NaN, Array.ConvertAll(lambdas, _ => double.NaN), double.NaN, []);
    }

    private StepOutcome Outcome(double task, double[] values, double gradientNorm, Dictionary<string, GateHealth> health)
    {
        var routing = new Dictionary<string, RoutingReport>(_topK.Count);
        foreach (var (layer, topK) in _topK)
            EpochSums.AddRouting(routing, model.NameOf(layer), RoutingReport.FromCounts(Routed.Load(layer), Routed.Assigned(layer), Routed.Tokens(layer), topK));
        var terms = new Dictionary<string, TermReport>(values.Length - 1);
        for (var loss = 1; loss < values.Length; loss++)
            terms[objective.Names[loss]] = new TermReport(values[loss], lambdas[loss]);
        return new StepOutcome(task, new TermReport(values[0], lambdas[0]), terms, gradientNorm, _samples, _tokens, routing, health);
    }

    /// <summary>Names a loss that is not finite, with its layer if it has a value for each.</summary>
    private string Place(int loss, ReadOnlySpan<double> values, nn.Module[] layers)
    {
        var name = loss == 0 ? "the balance" : $"the term {objective.Names[loss]}";
        var at = 0;
        while (at < values.Length && double.IsFinite(values[at]))
            at++;
        return values.Length == layers.Length && at < values.Length ? $"{name} of {model.NameOf(layers[at])}" : name;
    }

    /// <summary>Task, then each loss and what it is the mean of, then each layer's health.</summary>
    private sealed record MicroBatch(Tensor Values, double Share, int[] LayerCounts, nn.Module[] Layers, long[] Tokens);
}
