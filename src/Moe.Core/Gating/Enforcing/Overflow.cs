namespace Moe.Core;

/// <summary>Who gets the places of an expert that is wanted too often.</summary>
public enum Overflow
{
    /// <summary>First choices before second ones, in each earlier tokens before later (GShard, Lepikhin et al. 2020, algorithm 1). Not causal for K above 1.</summary>
    ChoiceThenPosition,

    /// <summary>Earlier tokens before later, whatever the rank of the choice (MegaBlocks, FastMoE). Causal.</summary>
    Position,

    /// <summary>Higher scores before lower (Megatron's and DeepSpeed's "probs"). Ranked by scores, not by logits. Not causal.</summary>
    Probability,

    /// <summary>Tokens with a higher best score before others; among the choices, first before second (V-MoE, Riquelme et al. 2021, section 4). Not causal.</summary>
    BatchPrioritized,

    /// <summary>At random (DeepSpeed's random token selection). Draws from the router's generator, in evaluation mode by position instead. Not causal.</summary>
    Random,
}
