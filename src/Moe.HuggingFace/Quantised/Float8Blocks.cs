using System.Runtime.InteropServices;
using static TorchSharp.torch;

namespace Moe.HuggingFace;

/// <summary>One matrix out of a tensor of 8-bit floats with a scale for each block, as DeepSeek-V3 publishes them.</summary>
internal static class Float8Blocks
{
    /// <summary>The numbers of a piece times their scales, in Float32.</summary>
    public static Tensor Decoded(ITensorStore store, PublishedTensor tensor, WeightPiece piece)
    {
        var (rows, columns) = (piece.Shape[0], (int)piece.Shape[1]);
        var (codes, numbers) = (new byte[piece.Count], new float[piece.Count]);
        var scales = new float[(rows + BlockScaledFloat8.BlockSize - 1) / BlockScaledFloat8.BlockSize * ((columns + BlockScaledFloat8.BlockSize - 1) / BlockScaledFloat8.BlockSize)];
        store.Read(tensor.Name, piece.First, codes);
        store.Read(tensor.ScaleName, 0, MemoryMarshal.AsBytes(scales.AsSpan()));
        BlockScaledFloat8.Decode(codes, columns, scales, numbers);
        return TorchSharp.torch.tensor(numbers, piece.Shape);
    }
}
