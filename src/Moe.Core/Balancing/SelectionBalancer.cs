using static TorchSharp.torch;

namespace Moe.Core;

/// <summary>Moves the selection bias of gates (<see cref="GatingOptions.SelectionBias"/>) towards balance, once an optimizer step, without a loss.</summary>
/// <remarks>Immutable settings; what it learns is the gate's buffer.</remarks>
public abstract class SelectionBalancer
{
    /// <summary>What one micro-batch says about a gate.</summary>
    /// <param name="gate">The gate, with a selection bias.</param>
    /// <param name="decision">What it decided. Not disposed.</param>
    /// <returns>[E], Float64, without gradients; the caller owns it.</returns>
    public abstract Tensor Observe(GatingNetwork gate, RoutingDecision decision);

    /// <summary>Moves the gate's selection bias in place.</summary>
    /// <param name="gate">The gate, with a selection bias.</param>
    /// <param name="observed">What the step's micro-batches said, one [E] each, at least one. Not disposed.</param>
    /// <param name="processes">Adds up over processes; null for one.</param>
    public abstract void Update(GatingNetwork gate, IReadOnlyList<Tensor> observed, IProcessSum? processes = null);

    /// <summary>The bias of a gate that has one.</summary>
    private protected static Tensor BiasOf(GatingNetwork gate)
    {
        ArgumentNullException.ThrowIfNull(gate);
        return gate.SelectionBias
            ?? throw new ArgumentException($"Expected a gate with {nameof(GatingOptions)}.{nameof(GatingOptions.SelectionBias)}, got one without.", nameof(gate));
    }

    /// <summary>The sum of what was observed, [E].</summary>
    private protected static Tensor Sum(IReadOnlyList<Tensor> observed, int experts)
    {
        ArgumentNullException.ThrowIfNull(observed);
        if (observed.Count == 0)
            throw new ArgumentException("Expected at least 1 observation, got 0.", nameof(observed));
        foreach (var one in observed)
        {
            TensorGuard.Alive(one, nameof(observed));
            if (one.dim() != 1 || one.size(0) != experts)
                throw new ArgumentException($"Expected observations of shape [{experts}], got {TensorGuard.Shape(one)}.", nameof(observed));
        }
        return stack(observed).sum(dim: 0);
    }
}
