using Moe.Core;
using static TorchSharp.torch;

namespace Moe.Training;

/// <summary>What a balancer sees of each gate with a selection bias in the micro-batches of one optimizer step, and how it moves each bias once.</summary>
internal sealed class SelectionBiases(RoutedModel model, SelectionBalancer? balancer, IProcessSum? processes)
{
    private readonly Dictionary<GatingNetwork, List<Tensor>> _observed = [];

    /// <summary>Looks at one micro-batch; what was seen outlives its scope.</summary>
    public void Observe(IReadOnlyList<LayerRouting> layers)
    {
        if (balancer is null)
            return;
        using var noGrad = no_grad();
        foreach (var (layer, decision) in layers)
        {
            if (model.BiasedGate(layer) is not { } gate)
                continue;
            if (!_observed.TryGetValue(gate, out var observed))
                _observed[gate] = observed = [];
            observed.Add(balancer.Observe(gate, decision).MoveToOuterDisposeScope());
        }
    }

    /// <summary>Moves the biases of all gates that were asked in this step.</summary>
    public void Update()
    {
        using var noGrad = no_grad();
        foreach (var (gate, observed) in _observed)
            balancer!.Update(gate, observed, processes);
    }
}
