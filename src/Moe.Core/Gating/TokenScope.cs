namespace Moe.Core;

/// <summary>Over which tokens something is counted.</summary>
public enum TokenScope
{
    /// <summary>All tokens of the batch together.</summary>
    Batch,

    /// <summary>Each sequence (the input's second to last dimension) on its own.</summary>
    Sequence,
}
