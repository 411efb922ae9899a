using Moe.Core;
using static TorchSharp.torch;

namespace Moe.Training.Tests;

/// <summary>Counts what it is asked, adds up the assignments it saw, and moves each bias by 1 a step.</summary>
internal sealed class WatchedBalancer : SelectionBalancer
{
    public int Observations { get; private set; }

    /// <summary>For each update: the micro-batches seen and the assignments in them.</summary>
    public List<(GatingNetwork Gate, int Seen, double[] Counts)> Updates { get; } = [];

    public Action? AtUpdate { get; init; }

    public override Tensor Observe(GatingNetwork gate, RoutingDecision decision)
    {
        Observations++;
        return tensor(decision.Assigned.Select(count => (double)count).ToArray());
    }

    public override void Update(GatingNetwork gate, IReadOnlyList<Tensor> observed, IProcessSum? processes = null)
    {
        using var scope = NewDisposeScope();
        Updates.Add((gate, observed.Count, State.Numbers(stack(observed).sum(dim: 0))));
        gate.SelectionBias!.add_(1);
        AtUpdate?.Invoke();
    }
}
