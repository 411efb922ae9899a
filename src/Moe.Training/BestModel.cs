using static TorchSharp.torch;

namespace Moe.Training;

/// <summary>Keeps a copy of the model's parameters and buffers at its best epoch.</summary>
internal sealed class BestModel(RoutedModel model, TrainerOptions options) : IDisposable
{
    /// <summary>The copy, on the CPU; null before the first epoch, or if none is to be kept.</summary>
    public Dictionary<string, Tensor>? State { get; private set; }

    /// <summary>Whether the monitored value is better than any before; if so, notes it and takes a copy.</summary>
    public bool Offer(EvaluationReport validation, TrainingProgress progress)
    {
        var value = options.Monitor is { } metric ? validation.Metrics[metric.Name] : validation.TaskLoss;
        var better = progress.BestValue is not { } best
            ? !double.IsNaN(value)
            : options.Monitor is { HigherIsBetter: true } ? value > best : value < best;
        if (!better)
            return false;
        progress.BestValue = value;
        progress.BestEpoch = progress.Epoch;
        if (options.KeepBest)
            Take(Copy(model.Module.state_dict()));
        return true;
    }

    private static Dictionary<string, Tensor> Copy(Dictionary<string, Tensor> state)
    {
        using var scope = NewDisposeScope();
        return state.ToDictionary(item => item.Key, item => item.Value.detach().to(CPU, copy: true).DetachFromDisposeScope());
    }

    /// <summary>Takes a copy over as it is.</summary>
    public void Take(Dictionary<string, Tensor>? state)
    {
        Dispose();
        State = state;
    }

    /// <summary>Puts the best parameters back into the model.</summary>
    public void Restore()
    {
        if (State is null)
            return;
        using var noGrad = no_grad();
        var now = model.Module.state_dict();
        foreach (var (name, tensor) in State)
            now[name].copy_(tensor);
    }

    public void Dispose()
    {
        foreach (var tensor in State?.Values ?? Enumerable.Empty<Tensor>())
            tensor.Dispose();
        State = null;
    }
}
