namespace Moe.HuggingFace;

/// <summary>A block on its way into another layout: the stored tensors that go, and those that are made of them. What lies the same in both layouts stays what it is.</summary>
internal sealed class BlockConversion
{
    private readonly ITensorStore _store;
    private readonly ILookup<(string Parameter, int? Expert), StoredPiece> _pieces;

    /// <summary>Plans it; nothing is read.</summary>
    /// <param name="source">The checkpoint.</param>
    /// <param name="store">Its tensors as they are to be written: 8-bit floats as such, with their scales, or decoded.</param>
    /// <param name="block">Which block.</param>
    /// <param name="to">A layout that it does not have yet.</param>
    /// <exception cref="InvalidDataException">The tensors are not those of the block, or what becomes one tensor is of several types.</exception>
    /// <exception cref="NotSupportedException">A square of 8-bit floats with one scale would span what becomes apart, or lies apart.</exception>
    public BlockConversion(Checkpoint source, ITensorStore store, BlockInfo block, BlockLayout to)
    {
        _store = store;
        var (before, after) = (source.Checked(block), source.Plan.Tensors(block.Beginning, to));
        var old = before.ToDictionary(tensor => tensor.Name);
        var kept = after.Where(tensor => old.TryGetValue(tensor.Name, out var same) && same.LiesAs(tensor)).Select(tensor => tensor.Name).ToHashSet(StringComparer.Ordinal);
        Used = [.. before.Where(tensor => !kept.Contains(tensor.Name)).SelectMany(WithScales)];
        _pieces = Used.SelectMany(tensor => tensor.Pieces.Select(piece => new StoredPiece(tensor, piece))).ToLookup(stored => (stored.Piece.Parameter, stored.Piece.Expert));
        Made = [.. after.Where(tensor => !kept.Contains(tensor.Name)).SelectMany(MadeWithScales)];
    }

    /// <summary>The stored tensors that are not there any more.</summary>
    public IReadOnlyList<PublishedTensor> Used { get; }

    /// <summary>Those that are there instead.</summary>
    public IReadOnlyList<MadeTensor> Made { get; }

    private ElementType TypeOf(PublishedTensor tensor) => tensor.IsMxfp4 ? ElementType.BFloat16 : _store.Entries[tensor.Name].Type;

    private PublishedTensor[] WithScales(PublishedTensor tensor) => TypeOf(tensor) == ElementType.Float8E4M3 ? [tensor, Float8Scales.Of(tensor)] : [tensor];

    private MadeTensor[] MadeWithScales(PublishedTensor tensor)
    {
        var made = MadeOf(tensor);
        return made.Type == ElementType.Float8E4M3 ? [made, MadeOf(Float8Scales.Of(tensor))] : [made];
    }

    private MadeTensor MadeOf(PublishedTensor tensor)
    {
        StoredPiece[][] sources = [.. tensor.Pieces.Select(piece => _pieces[(piece.Parameter, piece.Expert)].Where(stored => stored.Overlaps(piece)).ToArray())];
        var stored = sources.SelectMany(parts => parts).Select(part => part.Tensor).Distinct().ToArray();
        ElementType[] types = [.. stored.Select(TypeOf).Distinct()];
        return types is [var type]
            ? new MadeTensor(tensor, type, sources)
            : throw new InvalidDataException($"{string.Join(", ", stored.Take(3).Select(part => part.Name))} … become one tensor, but are of types {string.Join(", ", types)}.");
    }
}
