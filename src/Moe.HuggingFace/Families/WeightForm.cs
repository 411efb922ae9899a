namespace Moe.HuggingFace;

/// <summary>How a tensor lies, where it is not as its <see cref="WeightRole"/> says.</summary>
[Flags]
public enum WeightForm
{
    /// <summary>As the role says; with the experts first, [E, …], where the name has no <c>{expert}</c>.</summary>
    None = 0,

    /// <summary>Input width first: [in, out].</summary>
    Transposed = 1,

    /// <summary>Gate and up take turns along the output: gate, up, gate, …</summary>
    Interleaved = 2,

    /// <summary>The experts lie one below the other in two dimensions, [E · rows, columns].</summary>
    Joined = 4,

    /// <summary>A vector as a matrix of one row.</summary>
    OneRow = 8,

    /// <summary>Quantised to MXFP4: <c>name_blocks</c> [E, out, in/32, 16] and <c>name_scales</c> [E, out, in/32].</summary>
    Mxfp4 = 16,
}
