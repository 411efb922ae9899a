using Moe.Core;
using static TorchSharp.torch;

namespace Moe.Training;

/// <summary>
/// Collects over the micro-batches of one optimizer step what a balancer sees of each gate with a selection bias, and moves each bias once.
/// </summary>
internal sealed class SelectionBiases(RoutedModel model, TrainerOptions options)
{
    // A bias that nobody moves stays zero, and balances nothing, without a word.
    private readonly SelectionBalancer? _balancer = model.HasSelectionBias ? options.SelectionBalancer ?? new BiasBalancing() : null;
    private readonly Dictionary<GatingNetwork, List<Tensor>> _observed = [];

    /// <summary>Begins a step.</summary>
    public void Clear() => _observed.Clear();

    /// <summary>Looks at one micro-batch; what was seen outlives its scope.</summary>
    public void Observe(IReadOnlyList<LayerRouting> layers)
    {
        if (_balancer is null)
            return;
        using var noGrad = no_grad();
        foreach (var (layer, decision) in layers)
        {
            if (model.BiasedGate(layer) is not { } gate)
                continue;
            if (!_observed.TryGetValue(gate, out var observed))
                _observed[gate] = observed = [];
            observed.Add(_balancer.Observe(gate, decision).MoveToOuterDisposeScope());
        }
    }

    /// <summary>Moves the biases of all gates that were asked in this step.</summary>
    public void Update()
    {
        using var noGrad = no_grad();
        foreach (var (gate, observed) in _observed)
            _balancer!.Update(gate, observed, options.Processes);
    }
}
