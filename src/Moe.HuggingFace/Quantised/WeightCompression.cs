using System.Diagnostics.CodeAnalysis;

namespace Moe.HuggingFace;

/// <summary>How the weights of experts are kept small.</summary>
[SuppressMessage("Naming", "CA1720:Identifier contains type name", Justification = "Types of numbers are what it names.")]
public enum WeightCompression
{
    /// <summary>A byte a weight and one Float32 scale a row, its largest weight by 127. A weight is off by at most a half of that.</summary>
    Int8,

    /// <summary>
    /// Four bits a weight and one byte a block of 32 along a row (<see cref="HuggingFace.Mxfp4"/>); rows must be a multiple of 32 wide. A weight is off by at most a quarter
    /// of itself, or of its block's scale where that is more.
    /// </summary>
    Mxfp4,
}
