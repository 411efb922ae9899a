namespace Moe.HuggingFace;

/// <summary>A tensor that a block must have in its checkpoint.</summary>
/// <param name="Name">Its whole name.</param>
/// <param name="Shape">Of the numbers; quantised ones lie otherwise.</param>
/// <param name="Role">What it is.</param>
/// <param name="IsMxfp4">Whether it lies as blocks and scales.</param>
/// <param name="Pieces">What it is made of, in order.</param>
internal sealed record PublishedTensor(string Name, long[] Shape, WeightRole Role, bool IsMxfp4, IReadOnlyList<WeightPiece> Pieces)
{
    /// <summary>The name of the scales of blocks of 128 × 128, if the tensor is of <see cref="ElementType.Float8E4M3"/>.</summary>
    public string ScaleName => Float8Blocks.ScaleName(Name);

    /// <summary>What the file has under <see cref="ScaleName"/>.</summary>
    public long[] ScaleShape => Float8Blocks.ScaleShape(Shape);

    /// <summary>The name of MXFP4 blocks.</summary>
    public string BlocksName => Name + "_blocks";

    /// <summary>The name of MXFP4 scales.</summary>
    public string ScalesName => Name + "_scales";

    /// <summary>What the file has under <see cref="BlocksName"/>: 32 numbers in 16 bytes.</summary>
    public long[] BlocksShape => [.. Shape[..^1], Shape[^1] / 32, 16];

    /// <summary>What the file has under <see cref="ScalesName"/>.</summary>
    public long[] ScalesShape => [.. Shape[..^1], Shape[^1] / 32];

    /// <summary>Whether its numbers come out by decoding.</summary>
    /// <param name="store">Where it is.</param>
    public bool IsQuantised(ITensorStore store) => IsMxfp4 || IsFloat8(store);

    /// <summary>Whether its numbers are 8-bit floats, with scales.</summary>
    /// <param name="store">Where it is.</param>
    public bool IsFloat8(ITensorStore store) => !IsMxfp4 && store.Entries[Name].Type == ElementType.Float8E4M3;

    /// <summary>The names of what is stored of it, apart from the scales of 8-bit floats.</summary>
    public IReadOnlyList<string> StoredNames => IsMxfp4 ? [BlocksName, ScalesName] : [Name];

    /// <summary>Whether another of the same name holds the same numbers in the same order.</summary>
    public bool LiesAs(PublishedTensor other) => Role == other.Role && IsMxfp4 == other.IsMxfp4 && Pieces[0].Form == other.Pieces[0].Form && Shape.SequenceEqual(other.Shape);

    /// <summary>Whether a gradient reaches it.</summary>
    public bool IsTrainable => Role != WeightRole.SelectionBias;
}
