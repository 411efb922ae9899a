namespace Moe.HuggingFace;

/// <summary>The order of the data in a file that is written.</summary>
public enum TensorOrder
{
    /// <summary>That of the reference implementation: types of large numbers first (I64, F64, F32, I32, BF16, F16, I16, F8_E4M3, F8_E5M2, I8, U8, BOOL), by name within each.</summary>
    Reference,

    /// <summary>As given. For files that other tools wrote, often purely by name, and that shall come out again with the same bytes.</summary>
    AsGiven,
}
