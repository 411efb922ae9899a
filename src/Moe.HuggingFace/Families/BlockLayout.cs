namespace Moe.HuggingFace;

/// <summary>How the experts of a block are stored.</summary>
public enum BlockLayout
{
    /// <summary>One tensor an expert and matrix.</summary>
    PerExpert,

    /// <summary>The matrices of all experts in one tensor.</summary>
    Fused,

    /// <summary>Fused, and quantised to MXFP4.</summary>
    Mxfp4,
}
