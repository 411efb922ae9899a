namespace Moe.Core;

/// <summary>What became of a choice.</summary>
public enum TracedState
{
    /// <summary>The expert answered.</summary>
    Kept,

    /// <summary>The expert was full.</summary>
    Dropped,

    /// <summary>The router considered the expert and did not take it (by chance, below a threshold, not the expert's choice).</summary>
    Declined,

    /// <summary>The token is padding.</summary>
    Padding,
}
