using static TorchSharp.torch;

namespace Moe.Core;

/// <summary>
/// How tokens are mixed into slots and slots back into tokens (Soft MoE, Puigcerver et al. 2023, eq. 1-3). Experts see slots, never tokens.
/// </summary>
/// <remarks>G sequences of S tokens, P = E · p slots a sequence, those of expert e being e · p … e · p + p - 1. Owned by the decision.</remarks>
public sealed class SlotMix
{
    /// <summary>Puts a mix together.</summary>
    /// <param name="dispatch">Weights of tokens in slots, [G, S, P]; each slot's sum to 1 over the sequence.</param>
    /// <param name="combine">Weights of slots in tokens, [G, S, P]; each token's sum to 1 over the slots, padding's to 0.</param>
    /// <param name="slotsPerExpert">p, at least 1.</param>
    public SlotMix(Tensor dispatch, Tensor combine, int slotsPerExpert)
    {
        TensorGuard.Alive(dispatch, nameof(dispatch));
        TensorGuard.Alive(combine, nameof(combine));
        ArgumentOutOfRangeException.ThrowIfLessThan(slotsPerExpert, 1);
        if (dispatch.dim() != 3 || !dispatch.shape.AsSpan().SequenceEqual(combine.shape) || dispatch.size(2) % slotsPerExpert != 0)
        {
            throw new ArgumentException(
                $"Expected dispatch and combine of one shape [G, S, E · {slotsPerExpert}], got {TensorGuard.Shape(dispatch)} and {TensorGuard.Shape(combine)}.", nameof(dispatch));
        }
        Dispatch = dispatch;
        Combine = combine;
        SlotsPerExpert = slotsPerExpert;
    }

    /// <summary>Weights of tokens in slots, [G, S, P].</summary>
    public Tensor Dispatch { get; }

    /// <summary>Weights of slots in tokens, [G, S, P].</summary>
    public Tensor Combine { get; }

    /// <summary>p.</summary>
    public int SlotsPerExpert { get; }
}
