namespace Moe.HuggingFace;

/// <summary>The sizes of a block.</summary>
public sealed record BlockFacts
{
    /// <summary>E.</summary>
    public required int Experts { get; init; }

    /// <summary>K.</summary>
    public required int TopK { get; init; }

    /// <summary>D.</summary>
    public required long InputWidth { get; init; }

    /// <summary>F of one expert.</summary>
    public required long HiddenWidth { get; init; }

    /// <summary>F of the shared expert; 0 without one.</summary>
    public required long SharedWidth { get; init; }

    /// <summary>The types of its tensors as stored, without repetition.</summary>
    public required IReadOnlyList<ElementType> Types { get; init; }

    /// <summary>The bytes of its tensors as stored.</summary>
    public required long Bytes { get; init; }

    /// <summary>All its parameters.</summary>
    public required long Parameters { get; init; }

    /// <summary>The parameters that one token meets: router, K experts, shared expert.</summary>
    public required long ActiveParameters { get; init; }
}
