namespace Moe.Core;

/// <summary>What a load-balancing loss counts: n of its share f. Padding is never counted.</summary>
public enum CountedChoices
{
    /// <summary>All assignments that the router made, before capacity dropped any; f = n / Σ n.</summary>
    Assigned,

    /// <summary>The first choice of each token, before capacity dropped any; f = n / Σ n (GShard, Lepikhin et al. 2020, section 2.2).</summary>
    First,

    /// <summary>The first choice of each token unless it was dropped, over all tokens: f = n / T, so that Σ f is below 1 when some were (as in lucidrains/st-moe-pytorch).</summary>
    FirstKept,

    /// <summary>The assignments that capacity kept; f = n / Σ n. The probabilities are summed over all tokens and divided by Σ n / K, as FastMoE does.</summary>
    Kept,

    /// <summary>
    /// The K best scores of each token, whatever was chosen: no bias, no groups, no chance, no dropping; f = n / Σ n (Megatron; Hugging Face; DeepSeek-V3,
    /// 2024, eq. 18).
    /// </summary>
    TopScores,
}
