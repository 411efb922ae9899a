namespace Moe.Core;

/// <summary>How a <see cref="SoftRouter"/> compares tokens with slots.</summary>
public enum SlotNormalization
{
    /// <summary>Both at length 1, times a learned scale that is 1 at first (Puigcerver et al. 2023, section 2.3 and algorithm 2).</summary>
    UnitLength,

    /// <summary>Slots at length √D times a learned gain [D]; tokens as they are, to be normalised before the layer (soft-moe-pytorch).</summary>
    RootMeanSquareSlots,

    /// <summary>
    /// Slots at mean 0 and variance 1, (s - mean) / √(variance + 1e-5), times a learned gain [D]; tokens as they are, to be normalised before the layer
    /// (soft-moe-pytorch with <c>use_layernorm</c>).
    /// </summary>
    LayerNormSlots,

    /// <summary>As they are.</summary>
    None,
}
