namespace Moe.Core;

/// <summary>Where the softmax stands in sparse routing: on the chosen logits only, or on all of them before the choice.</summary>
public enum SoftmaxOrder
{
    /// <summary>
    /// Softmax over the K chosen logits; the weights of a token sum to 1.
    /// Shazeer et al. 2017, eq. 3-5; Mixtral (Jiang et al. 2024, section 2.1).
    /// </summary>
    AfterSelection,

    /// <summary>
    /// Softmax over all E logits; the chosen probabilities are the weights, and sum to less than 1 unless renormalised.
    /// Switch Transformers (Fedus et al. 2021, eq. 1-2); Qwen2-MoE, OLMoE.
    /// </summary>
    BeforeSelection,
}
