namespace Moe.Training;

/// <summary>What a <see cref="CollapseAlarm"/> looks at.</summary>
public enum CollapseRule
{
    /// <summary>The number of experts that were assigned nothing, null experts apart.</summary>
    DeadExperts,

    /// <summary>The entropy of the experts' shares, as a share of ln E.</summary>
    Entropy,

    /// <summary>The largest share over the mean share.</summary>
    MaxOverMean,

    /// <summary>The mean norm of a token's raw logits.</summary>
    LogitNorm,

    /// <summary>The mean lead of a token's best score over its second best.</summary>
    WeightMargin,
}
