namespace Moe.Core;

/// <summary>What an expert's importance is the sum of.</summary>
public enum ImportanceSource
{
    /// <summary>The weights as applied, 0 for experts that were not chosen or were full (Shazeer et al. 2017, eq. 6; FastMoE).</summary>
    Weights,

    /// <summary>The scores of all experts, noise and temperature included.</summary>
    Scores,

    /// <summary>The softmax of the raw logits, without noise and temperature (V-MoE, Riquelme et al. 2021, eq. 8; Tutel).</summary>
    CleanScores,
}
