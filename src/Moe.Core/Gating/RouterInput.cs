using static TorchSharp.torch;

namespace Moe.Core;

/// <summary>What <see cref="Router.Propose"/> is given: tokens that have passed the door, in the type that is routed in.</summary>
/// <remarks>Its tensors belong to the caller; do not keep or change them.</remarks>
public sealed class RouterInput
{
    internal RouterInput(Tensor tokens, Tensor? mask, Tensor? tokenIds, Tensor? forced, long sequenceLength, bool training)
    {
        Tokens = tokens;
        Mask = mask;
        TokenIds = tokenIds;
        Forced = forced;
        SequenceLength = sequenceLength;
        Training = training;
    }

    /// <summary>Tokens, [T, D], Float32 or Float64; padding is 0.</summary>
    public Tensor Tokens { get; }

    /// <summary>True for real tokens, [T], Bool; null when all are.</summary>
    public Tensor? Mask { get; }

    /// <summary>What the tokens are in their vocabulary, [T], Int64; null if the caller does not say.</summary>
    public Tensor? TokenIds { get; }

    /// <summary>Experts to use instead of choosing, [T, K], Int64, with the meaning of <see cref="RoutingContext.ForcedIndices"/>; null to choose.</summary>
    public Tensor? Forced { get; }

    /// <summary>S: the tokens are T / S sequences of this length, one after the other.</summary>
    public long SequenceLength { get; }

    /// <summary>Whether the router is in training mode.</summary>
    public bool Training { get; }
}
