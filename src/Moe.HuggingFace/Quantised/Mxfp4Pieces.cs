using static TorchSharp.torch;

namespace Moe.HuggingFace;

/// <summary>One expert's matrix out of a tensor that lies as MXFP4 blocks and scales.</summary>
internal static class Mxfp4Pieces
{
    /// <summary>The numbers of a piece, in Float32; every one of them is exact.</summary>
    public static Tensor Decoded(ITensorStore store, PublishedTensor tensor, WeightPiece piece)
    {
        var (blocks, scales) = (new byte[piece.Count / 2], new byte[piece.Count / 32]);
        store.Read(tensor.BlocksName, piece.First / 2, blocks);
        store.Read(tensor.ScalesName, piece.First / 32, scales);
        var numbers = new float[piece.Count];
        Mxfp4.Decode(blocks, scales, numbers);
        return TorchSharp.torch.tensor(numbers, piece.Shape);
    }
}
