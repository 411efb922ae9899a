using Microsoft.ML.Data;

namespace Moe.MLNet;

/// <summary>What a mapping reads that looks at nothing.</summary>
internal sealed class NoColumns;

/// <summary>One column of a number, whose name is given where it is used.</summary>
internal sealed class NumberColumn
{
    public float Value { get; set; }
}

/// <summary>One column of a vector, whose name is given where it is used; its size says no more than that it has one.</summary>
internal sealed class VectorColumn
{
    [VectorType(2)]
    public VBuffer<float> Value { get; set; }
}
