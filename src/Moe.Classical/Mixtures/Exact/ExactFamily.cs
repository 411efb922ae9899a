namespace Moe.Classical;

/// <summary>Distributions whose weighted fits are exact maximum likelihood.</summary>
internal enum ExactFamily
{
    /// <summary>Real numbers, identity link.</summary>
    Gaussian,

    /// <summary>Counts, log link.</summary>
    Poisson,

    /// <summary>Successes out of trials, logit link.</summary>
    Binomial,
}
