namespace Moe.Classical;

/// <summary>What a generalised linear model explains.</summary>
public enum GlmFamily
{
    /// <summary>Counts, with the logarithm as link: the mean is exp(b₀ + x b).</summary>
    Poisson,

    /// <summary>Successes out of trials, with the logit as link: the probability is 1 / (1 + exp(-b₀ - x b)).</summary>
    Binomial,
}
