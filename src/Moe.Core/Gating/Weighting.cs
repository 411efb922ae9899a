using static TorchSharp.torch;

namespace Moe.Core;

/// <summary>The fourth step of a gate: how much each chosen expert's answer counts.</summary>
internal static class Weighting
{
    /// <summary>The weights of the chosen experts, [T, K].</summary>
    /// <param name="logits">What was chosen by, [T, E].</param>
    /// <param name="scores">Their softmax, [T, E].</param>
    /// <param name="indices">The chosen experts, [T, K].</param>
    /// <param name="options">Where the softmax stands, whether its part is renormalised, and what gradients pass.</param>
    public static Tensor Weigh(Tensor logits, Tensor scores, Tensor indices, GatingOptions options)
    {
        var chosen = scores.gather(1, indices);
        var weights = options.Softmax == SoftmaxOrder.AfterSelection ? logits.gather(1, indices).softmax(-1)
            : options.Renormalize ? chosen / chosen.sum(-1, keepdim: true)
            : chosen;

        // The difference is exactly 0 forward and the identity on the chosen probabilities backward.
        return options.StraightThrough ? weights.detach() + (chosen - chosen.detach()) : weights;
    }
}
