namespace Moe.MLNet;

/// <summary>What type the label column has, and with it which columns an answer has.</summary>
internal enum LabelKind
{
    /// <summary>Single. The answer: Score.</summary>
    Number,

    /// <summary>A key. The answer: PredictedLabel, a key, and Score, a vector of probabilities.</summary>
    Key,

    /// <summary>Boolean. The answer: PredictedLabel, Boolean; Probability, of true; Score, its log-odds.</summary>
    Boolean,
}
