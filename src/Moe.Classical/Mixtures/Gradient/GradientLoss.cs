namespace Moe.Classical;

/// <summary>What gradient training of a mixture makes small.</summary>
public enum GradientLoss
{
    /// <summary>-Σ w log Σₖ gₖ pₖ(y): the negative log-likelihood of the mixture, the same that EM makes small. Experts compete for rows (Jacobs et al. 1991, eq. 1.3).</summary>
    Likelihood,

    /// <summary>The squared error of the blended mean Σₖ gₖ fₖ of real numbers, or the cross-entropy of blended probabilities of classes. Experts cooperate (Jacobs et al. 1991, eq. 1.1).</summary>
    BlendedError,
}
