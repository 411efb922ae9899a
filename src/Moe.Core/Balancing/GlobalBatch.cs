using System.Diagnostics.CodeAnalysis;
using static TorchSharp.torch;

namespace Moe.Core;

/// <summary>
/// What one optimizer step has routed so far, over its micro-batches and, if asked to, over processes: made before the step's first
/// forward pass, thrown away after its last (Qiu et al. 2025, "Demons in the Detail", section 3).
/// </summary>
/// <remarks>Counts live on the host, where decisions have them anyway. Belongs to one thread.</remarks>
public sealed class GlobalBatch
{
    private readonly Dictionary<nn.Module, Sums> _layers = [];
    private readonly IProcessSum? _processes;

    /// <summary>Begins a step.</summary>
    /// <param name="processes">Adds counts up over processes; null for one process.</param>
    public GlobalBatch(IProcessSum? processes = null) => _processes = processes;

    /// <summary>Counts a decision. Once for each decision of each micro-batch, before losses are computed from it.</summary>
    /// <param name="routing">The layer and what it decided. Not disposed.</param>
    public void Add(LayerRouting routing)
    {
        ArgumentNullException.ThrowIfNull(routing);
        var decision = routing.Decision;
        double[] values = [.. decision.Assigned.Select(count => (double)count), .. decision.Load.Select(count => (double)count), decision.ValidTokens];
        _processes?.Sum(values);
        if (!_layers.TryGetValue(routing.Layer, out var sums))
            _layers[routing.Layer] = sums = new Sums(decision.ExpertCount);
        for (var expert = 0; expert < decision.ExpertCount; expert++)
        {
            sums.Assigned[expert] += (long)values[expert];
            sums.Load[expert] += (long)values[decision.ExpertCount + expert];
        }
        sums.Tokens += (long)values[^1];
    }

    /// <summary>Assignments made to each expert of a layer, [E].</summary>
    /// <param name="layer">A layer that has been counted.</param>
    /// <returns>The sums so far.</returns>
    public IReadOnlyList<long> Assigned(nn.Module layer) => Of(layer).Assigned;

    /// <summary>Kept assignments of each expert of a layer, [E].</summary>
    /// <param name="layer">A layer that has been counted.</param>
    /// <returns>The sums so far.</returns>
    public IReadOnlyList<long> Load(nn.Module layer) => Of(layer).Load;

    /// <summary>Real tokens that a layer routed.</summary>
    /// <param name="layer">A layer that has been counted.</param>
    /// <returns>The sum so far.</returns>
    public long Tokens(nn.Module layer) => Of(layer).Tokens;

    private Sums Of([NotNull] nn.Module? layer)
    {
        ArgumentNullException.ThrowIfNull(layer);
        return _layers.TryGetValue(layer, out var sums)
            ? sums
            : throw new ArgumentException($"The layer {layer.GetName()} has not been counted in this batch.", nameof(layer));
    }

    private sealed class Sums(int experts)
    {
        public long[] Assigned { get; } = new long[experts];

        public long[] Load { get; } = new long[experts];

        public long Tokens { get; set; }
    }
}
