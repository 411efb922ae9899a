using static TorchSharp.torch;

namespace Moe.Core;

/// <summary>What a router may be told about tokens besides the tokens themselves. All of it is optional.</summary>
/// <remarks>Does not own its tensors. Equality is by reference.</remarks>
public sealed class RoutingContext
{
    internal static RoutingContext None { get; } = new();

    /// <summary>True for real tokens, [*], Bool: the input's shape without its last dimension; null when all are. Padding is not routed and counts nowhere.</summary>
    public Tensor? Mask { get; init; }

    /// <summary>What the tokens are in their vocabulary, [*], Int64; needed by <see cref="TableSelection"/> only.</summary>
    public Tensor? TokenIds { get; init; }

    /// <summary>
    /// Experts to send the tokens to instead of choosing, [*, K], Int64, K at most E, no expert twice in a row: forced or replayed
    /// routing. Weights are computed anew from the scores. An entry -1 - i (the complement of i) means "expert i was considered, but not
    /// taken", which matters where all that was considered
    /// has a part in the weights (<see cref="StochasticSelection"/>, <see cref="SparseMixerSelection"/>); elsewhere -1 serves for "none". <see cref="RoutingTrace.ForcedIndices"/> gives such a tensor.
    /// </summary>
    public Tensor? ForcedIndices { get; init; }

    /// <summary>Refuses what does not fit the input.</summary>
    internal void Check(Tensor input, int expertCount)
    {
        if (Mask is not null)
            TensorGuard.Mask(Mask, input, "mask");
        if (TokenIds is not null)
            TensorGuard.Integers(TokenIds, input.shape.AsSpan(..^1), input, nameof(TokenIds));
        if (ForcedIndices is null)
            return;
        TensorGuard.Alive(ForcedIndices, nameof(ForcedIndices));
        var choices = ForcedIndices.dim() < 1 ? 0 : ForcedIndices.size(-1);
        if (choices < 1 || choices > expertCount)
            throw new ArgumentException($"Expected {nameof(ForcedIndices)} with 1 to {expertCount} experts a token in the last dimension, got shape {TensorGuard.Shape(ForcedIndices)}.");
        TensorGuard.Integers(ForcedIndices, [.. input.shape[..^1], choices], input, nameof(ForcedIndices));
    }
}
