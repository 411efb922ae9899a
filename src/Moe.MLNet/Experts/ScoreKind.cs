namespace Moe.MLNet;

/// <summary>What the column means that an ML.NET model answers with.</summary>
public enum ScoreKind
{
    /// <summary>Real numbers, one or a vector: passed on as they are.</summary>
    Value,

    /// <summary>A vector with a probability for each class: negative ones become 0, and each row is divided by its sum.</summary>
    Probabilities,

    /// <summary>A vector with an unbounded score for each class: turned into probabilities by the softmax.</summary>
    Logits,

    /// <summary>One number, the probability of the second of two classes (ML.NET's column Probability): answered as [1 - p, p].</summary>
    BinaryProbability,
}
