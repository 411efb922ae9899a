namespace Moe.Classical;

/// <summary>How EM ended.</summary>
public enum EmStatus
{
    /// <summary>The log-likelihood, or what it was judged by, gained no more.</summary>
    Converged,

    /// <summary>The most iterations were made.</summary>
    MaxIterations,

    /// <summary>An expert's noise is at its floor, or experts were dropped: a description of a few rows rather than of the data.</summary>
    Degenerate,

    /// <summary>The log-likelihood fell where it cannot with exact steps; the iterate before is kept.</summary>
    Decreased,

    /// <summary>The start came to nothing: an expert starved or could not be fitted.</summary>
    Failed,
}
