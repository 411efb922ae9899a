using static TorchSharp.torch;

namespace Moe.HuggingFace;

/// <summary>A tensor that a conversion makes of stored ones.</summary>
/// <param name="Tensor">What it is.</param>
/// <param name="Type">The type of its numbers.</param>
/// <param name="Sources">For each of its pieces, the stored ones that hold its rows.</param>
internal sealed record MadeTensor(PublishedTensor Tensor, ElementType Type, IReadOnlyList<IReadOnlyList<StoredPiece>> Sources)
{
    public TensorDescription Description => new(Tensor.Name, Type, Tensor.Shape);

    /// <summary>The bytes of each of its pieces, which are all of one shape and lie one after the other.</summary>
    public long PieceBytes => Tensor.Pieces[0].Count * Type.Size();

    /// <summary>The numbers of a piece as they are to lie. The caller owns them.</summary>
    /// <param name="place">Which of the pieces.</param>
    /// <param name="store">Where the stored ones are.</param>
    public Tensor Assemble(int place, ITensorStore store)
    {
        using var scope = NewDisposeScope();
        using var constant = no_grad();

        // One expert's rows, not a stack.
        var piece = Tensor.Pieces[place] with { Expert = null };
        var rows = Sources[place].Select(source => source.Piece).Append(piece).Max(part => part.FirstRow + part.Rows);
        var own = empty([rows, .. piece.OwnShape[1..]], dtype: Type.ToTorch(), device: CPU);
        foreach (var source in Sources[place])
        {
            foreach (var (theirs, ours) in (source.Piece with { Expert = null }).Pairs(source.Read(store), own))
                ours.copy_(theirs);
        }
        var published = empty(piece.Shape, dtype: own.dtype, device: CPU);
        foreach (var (theirs, ours) in piece.Pairs(published, own))
            theirs.copy_(ours);
        return scope.MoveToOuter(published);
    }
}
