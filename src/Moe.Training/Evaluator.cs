using Moe.Core;
using static TorchSharp.torch;

namespace Moe.Training;

/// <summary>Runs a model in evaluation mode, without gradients, and puts it back into the mode it was in.</summary>
internal sealed class Evaluator(RoutedModel model, Objective objective, TrainerOptions options)
{
    /// <summary>Judges the model on all samples: means over samples, whatever the batches.</summary>
    public EvaluationReport Evaluate(TrainingData data, CancellationToken cancellation)
    {
        var (task, balance) = (0.0, new double[objective.Names.Count]);
        var metrics = options.Metrics.ToDictionary(metric => metric.Name, _ => 0.0);
        var routing = new Dictionary<string, RoutingReport>();
        ForEachBatch(data, (output, targets, pass, samples) =>
        {
            using var value = objective.Evaluate(output, targets, pass, lambda: 0);
            var share = (double)samples / data.Count;
            var numbers = Read([value.Task, .. value.Losses.Select(loss => loss.Value)]);
            task += numbers[0] * share;
            for (var loss = 0; loss < balance.Length; loss++)
                balance[loss] += numbers[1 + loss] * share;
            foreach (var metric in options.Metrics)
                metrics[metric.Name] += Measure(metric, output, targets) * share;
            foreach (var (layer, decision) in pass.Layers)
                EpochSums.AddRouting(routing, model.NameOf(layer), RoutingReport.From(decision));
        }, cancellation);
        var terms = objective.Names.Skip(1).Zip(balance.Skip(1)).ToDictionary(pair => pair.First, pair => pair.Second);
        return new EvaluationReport { TaskLoss = task, Balance = balance[0], Terms = terms, Metrics = metrics, Routing = routing };
    }

    /// <summary>The outputs for all samples, in order; the caller owns them.</summary>
    public Tensor Predict(TrainingData data, CancellationToken cancellation)
    {
        using var scope = NewDisposeScope();
        var outputs = new List<Tensor>();
        ForEachBatch(data, (output, _, _, _) => outputs.Add(output.MoveToOuterDisposeScope()), cancellation);
        return scope.MoveToOuter(outputs.Count == 1 ? outputs[0] : cat(outputs));
    }

    /// <summary>Several scalars in one transfer.</summary>
    private static double[] Read(IEnumerable<Tensor> scalars)
    {
        using var onHost = stack(scalars.Select(scalar => scalar.to(ScalarType.Float64))).cpu();
        return onHost.data<double>().ToArray();
    }

    private static double Measure(Metric metric, Tensor output, Tensor targets)
    {
        var value = metric.Compute(output, targets);
        return value is not null && value.numel() == 1
            ? value.to(ScalarType.Float64).item<double>()
            : throw new InvalidOperationException(
                $"The metric {metric.Name} must give a scalar, but gave {(value is null ? "null" : $"shape [{string.Join(", ", value.shape)}]")}.");
    }

    private void ForEachBatch(TrainingData data, Action<Tensor, Tensor, RoutingPass, long> action, CancellationToken cancellation)
    {
        var modes = model.Modes();
        var device = model.Device;
        model.Module.eval();
        try
        {
            using var noGrad = no_grad();
            for (var start = 0L; start < data.Count; start += options.BatchSize)
            {
                cancellation.ThrowIfCancellationRequested();
                using var scope = NewDisposeScope();
                var indices = arange(start, Math.Min(start + options.BatchSize, data.Count), dtype: ScalarType.Int64, device: CPU);
                var (inputs, targets, mask, tokenIds) = data.Take(indices, device);
                using var pass = new RoutingPass(mask) { TokenIds = tokenIds };
                action(model.Forward(inputs, pass), targets, pass, indices.size(0));
            }
        }
        finally
        {
            modes.Restore();
        }
    }
}
