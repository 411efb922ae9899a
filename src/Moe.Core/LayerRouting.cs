using static TorchSharp.torch;

namespace Moe.Core;

/// <summary>A layer and what its gate decided in one forward pass.</summary>
public sealed class LayerRouting
{
    internal LayerRouting(nn.Module layer, RoutingDecision decision)
    {
        Layer = layer;
        Decision = decision;
    }

    /// <summary>The layer that decided; not owned.</summary>
    public nn.Module Layer { get; }

    /// <summary>What it decided; owned by the pass.</summary>
    public RoutingDecision Decision { get; }

    /// <summary>Takes the pair apart.</summary>
    /// <param name="layer">The layer.</param>
    /// <param name="decision">Its decision.</param>
    public void Deconstruct(out nn.Module layer, out RoutingDecision decision) => (layer, decision) = (Layer, Decision);
}
