namespace Moe.Core;

/// <summary>What a weight is multiplied with.</summary>
public enum WeightTarget
{
    /// <summary>The expert's answer: w · f(x). Almost every published system.</summary>
    Output,

    /// <summary>The expert's input: f(w · x). Llama 4.</summary>
    Input,

    /// <summary>
    /// The answer, and in the backward pass the input too: w · f(x · (1 + w - w)), where the second w is constant to autograd. The choice itself
    /// gets a straight-through gradient (st-moe-pytorch: the dispatch tensor is 1 forward and the weight backward).
    /// </summary>
    OutputWithInputGradient,
}
