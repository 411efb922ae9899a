namespace Moe.Classical;

/// <summary>Where EM begins: who is responsible for which rows before anything is fitted.</summary>
public enum StartKind
{
    /// <summary>
    /// Regions, groups, labels and shares in turn, from start to start; where all experts are linear models or GLMs, judged in sample, every other start is from regions.
    /// </summary>
    Mixed,

    /// <summary>Contiguous regions along a random direction of the gate's columns. The best for experts that are unlike.</summary>
    Regions,

    /// <summary>k-means on gate columns and response, standardised and then stretched at random from start to start.</summary>
    KMeans,

    /// <summary>Each row to one expert at random.</summary>
    RandomLabels,

    /// <summary>Each row's shares drawn evenly from all that sum to 1 (Dirichlet).</summary>
    Dirichlet,
}
