using System.Diagnostics.CodeAnalysis;

namespace Moe.HuggingFace;

/// <summary>The types of numbers that a safetensors file holds.</summary>
[SuppressMessage("Naming", "CA1720:Identifier contains type name", Justification = "Types of numbers are what it names.")]
public enum ElementType
{
    /// <summary>F64.</summary>
    Float64,

    /// <summary>F32.</summary>
    Float32,

    /// <summary>F16.</summary>
    Float16,

    /// <summary>BF16.</summary>
    BFloat16,

    /// <summary>I64.</summary>
    Int64,

    /// <summary>I32.</summary>
    Int32,

    /// <summary>I16.</summary>
    Int16,

    /// <summary>I8.</summary>
    Int8,

    /// <summary>U8.</summary>
    UInt8,

    /// <summary>BOOL, one byte each.</summary>
    Bool,

    /// <summary>F8_E4M3: sign, 4 bits of exponent, 3 of mantissa; no infinity. torch tensors show its bytes.</summary>
    Float8E4M3,

    /// <summary>F8_E5M2: sign, 5 bits of exponent, 2 of mantissa. torch tensors show its bytes.</summary>
    Float8E5M2,
}
