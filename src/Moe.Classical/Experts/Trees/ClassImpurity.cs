namespace Moe.Classical;

/// <summary>How mixed the classes of some rows are, p being their shares of the weight: what a tree's splits make smaller.</summary>
public enum ClassImpurity
{
    /// <summary>1 - Σ p²: how often two rows drawn at random differ (Breiman et al. 1984, section 4.3).</summary>
    Gini,

    /// <summary>-Σ p log p: the loss of log-likelihood of a leaf (Quinlan 1986). Slower: it takes logarithms.</summary>
    Entropy,
}
