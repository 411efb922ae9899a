using static TorchSharp.torch;

namespace Moe.Core;

/// <summary>A number that is small when routing is as it should be: what is added to a task's loss, times a λ of its own.</summary>
/// <remarks>Immutable settings, no state: what has to be known from one micro-batch to the next is in the <see cref="GlobalBatch"/>. Padding counts nowhere.</remarks>
public abstract class BalanceLoss
{
    /// <summary>Its name in reports, columns and tags, in snake_case.</summary>
    public abstract string Name { get; }

    /// <summary>Judges the decisions of one forward pass.</summary>
    /// <param name="layers">The decisions, of one pass, in their order. Not disposed.</param>
    /// <param name="batch">
    /// The counts of the optimizer step so far, this pass included (<see cref="GlobalBatch.Add"/> comes first); null when the pass is a step of its own.
    /// </param>
    /// <returns>
    /// One scalar a layer, differentiable in the layer's scores, logits or weights; or one scalar in all if the loss joins layers. The loss is their mean. The
    /// caller owns them. Empty when there are no layers.
    /// </returns>
    public abstract IReadOnlyList<Tensor> Compute(IReadOnlyList<LayerRouting> layers, GlobalBatch? batch = null);

    /// <summary>What the losses that keep layers apart have in common: one scalar a layer.</summary>
    private protected static IReadOnlyList<Tensor> EachLayer(IReadOnlyList<LayerRouting> layers, Func<RoutingDecision, Tensor> loss)
    {
        ArgumentNullException.ThrowIfNull(layers);
        using var scope = NewDisposeScope();
        var losses = new Tensor[layers.Count];
        for (var i = 0; i < losses.Length; i++)
        {
            TensorGuard.Alive(layers[i].Decision.Scores, nameof(layers));
            losses[i] = loss(layers[i].Decision);
        }
        scope.MoveToOuter(losses);
        return losses;
    }
}
