using static TorchSharp.torch;

namespace Moe.HuggingFace;

/// <summary>A piece of a tensor that is stored.</summary>
/// <param name="Tensor">The tensor.</param>
/// <param name="Piece">One of its pieces.</param>
internal sealed record StoredPiece(PublishedTensor Tensor, WeightPiece Piece)
{
    /// <summary>Whether rows of the same expert, or of a parameter that is no stack, are in both.</summary>
    public bool Overlaps(WeightPiece other) => Piece.FirstRow < other.FirstRow + other.Rows && other.FirstRow < Piece.FirstRow + Piece.Rows;

    /// <summary>The numbers as published, of the piece's shape; 8-bit floats as bytes, MXFP4 decoded.</summary>
    public Tensor Read(ITensorStore store) => Tensor.IsMxfp4 ? Mxfp4Pieces.Decoded(store, Tensor, Piece) : BlockReader.Plain(store, Tensor, Piece);
}
