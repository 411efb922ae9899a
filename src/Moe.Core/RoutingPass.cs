using static TorchSharp.torch;

namespace Moe.Core;

/// <summary>
/// Collects the routing decisions of all mixtures in a model during one forward pass: made before it, handed through it, disposed
/// after the backward pass.
/// </summary>
/// <remarks>
/// Being an argument, it cannot go stale: a pass knows of the calls it was given to and of no others. Accumulation uses one pass a
/// micro-batch; a forward that is run again to save memory gets none (<c>forward(input)</c>), so nothing counts twice; two threads use
/// two passes. It owns the decisions, which survive the dispose scopes of the model. Adding is thread-safe. When a forward pass
/// throws, the decisions made until then are there.
/// </remarks>
public sealed class RoutingPass : IDisposable
{
    private readonly List<LayerRouting> _layers = [];
    private readonly RoutingPass _owner;
    private bool _disposed;

    /// <summary>Begins a pass.</summary>
    /// <param name="mask">True for real tokens, Bool, shaped as the layers' inputs without their last dimension; null when all are. Not owned.</param>
    public RoutingPass(Tensor? mask = null)
    {
        Mask = mask;
        _owner = this;
    }

    private RoutingPass(RoutingPass owner) => _owner = owner;

    /// <summary>Which tokens are real; null when all are.</summary>
    public Tensor? Mask { get; }

    /// <summary>What the tokens are in their vocabulary, Int64, shaped as the mask; needed by gates with a <see cref="TableSelection"/>. Not owned.</summary>
    public Tensor? TokenIds { get; init; }

    /// <summary>
    /// Choices to be made again instead of choosing: that of the first mixture that is asked, of the second, and so on. Null to choose. Weights come from the gate that replays; what is
    /// dropped at random (<see cref="Overflow.Random"/>) is drawn anew.
    /// </summary>
    public RoutingTrace? Replay { get; init; }

    /// <summary>The decisions so far, in the order in which they were made: a mixture inside an expert follows the one around it.</summary>
    public IReadOnlyList<LayerRouting> Layers
    {
        get
        {
            // A copy: another thread may be adding.
            lock (_owner._layers)
                return [.. _owner._layers];
        }
    }

    /// <summary>Adds a decision, which the pass owns from now on.</summary>
    /// <param name="layer">The layer that decided.</param>
    /// <param name="decision">What it decided.</param>
    /// <exception cref="ObjectDisposedException">The pass is over, or the decision has been disposed.</exception>
    public void Add(nn.Module layer, RoutingDecision decision)
    {
        ArgumentNullException.ThrowIfNull(layer);
        ArgumentNullException.ThrowIfNull(decision);
        TensorGuard.Alive(decision.Indices, nameof(decision));
        lock (_owner._layers)
        {
            ObjectDisposedException.ThrowIf(_owner._disposed, this);
            foreach (var tensor in decision.Tensors)
                tensor.DetachFromDisposeScope();
            _owner._layers.Add(new LayerRouting(layer, decision));
        }
    }

    /// <summary>
    /// The same pass for what an expert is asked: rows without padding, in another order than the tokens. Decisions go to this
    /// pass, and with it they end; disposing the view ends nothing.
    /// </summary>
    internal RoutingPass ForExperts() => Mask is null && TokenIds is null ? this : new RoutingPass(_owner);

    /// <summary>What the next mixture's router is told: padding, token ids, and the recorded choices if this pass replays some.</summary>
    internal RoutingContext NextContext(Tensor input, int expertCount)
    {
        if (_owner.Replay is not { } replay)
            return new RoutingContext { Mask = Mask, TokenIds = TokenIds };
        int layer;
        lock (_owner._layers)
            layer = _owner._layers.Count;
        var forced = replay.ForcedIndices(layer, input);
        var traced = replay.Layers[layer];
        return traced.ExpertCount == expertCount
            ? new RoutingContext { Mask = Mask, TokenIds = TokenIds, ForcedIndices = forced }
            : throw new ArgumentException($"Expected a replay for {expertCount} experts, got layer {layer} ({traced.Name}) with {traced.ExpertCount}.");
    }

    /// <summary>Ends the pass and releases its decisions.</summary>
    public void Dispose()
    {
        lock (_layers)
        {
            _disposed = true;
            foreach (var (_, decision) in _layers)
                decision.Dispose();
            _layers.Clear();
        }
    }
}
