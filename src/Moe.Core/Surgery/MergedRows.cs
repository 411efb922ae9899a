namespace Moe.Core;

/// <summary>What the gate knows of an expert that several were merged into.</summary>
public enum MergedRows
{
    /// <summary>The weighted mean of their rows, biases and selection biases. Where one of them was chosen, the merged one is: right for K = 1, and wherever two of a group are seldom chosen together.</summary>
    Mean,

    /// <summary>
    /// The same, but the logarithm of the sum of the exponentials of their router's biases (0 for a gate without, which gets one): with equal rows, the merged expert has the sum of their probabilities. Right for dense routing, and for a softmax before
    /// selection. For softmax scores only.
    /// </summary>
    Sum,
}
