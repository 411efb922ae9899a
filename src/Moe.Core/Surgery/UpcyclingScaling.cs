namespace Moe.Core;

/// <summary>Which weights are multiplied, so that the experts chosen together answer as the dense block did. Σw is what the weights of the chosen experts sum to while the gate's logits are equal.</summary>
public enum UpcyclingScaling
{
    /// <summary>The last matrix, by G / Σw, and the last bias by 1 / Σw: exact for every activation wherever a token's weights do sum to Σw and K is a multiple of G.</summary>
    Output,

    /// <summary>
    /// All matrices, and the first biases, as published and in Megatron-LM (He et al. 2024, "Upcycling Large Language Models into Mixture of Experts"): by a^(1/3) in gated experts and a^(1/2) in others, where a = G / Σw: G for a softmax after
    /// selection, E · G / K before it. Exact for ReLU and ReGLU only, as others do not grow in proportion with what goes in. The last bias as above.
    /// </summary>
    AllWeights,

    /// <summary>None: right for G = 1 where weights sum to 1.</summary>
    None,
}
