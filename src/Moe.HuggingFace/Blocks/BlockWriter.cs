using static TorchSharp.torch;

namespace Moe.HuggingFace;

/// <summary>Puts published tensors together again from a block's parameters.</summary>
internal static class BlockWriter
{
    /// <summary>One tensor, a new one on the CPU.</summary>
    /// <param name="tensor">Which.</param>
    /// <param name="parameters">By their names in the layer's state, or gradients by the same names.</param>
    /// <param name="type">Of the result.</param>
    public static Tensor Assemble(PublishedTensor tensor, IReadOnlyDictionary<string, Tensor> parameters, ScalarType type)
    {
        using var scope = NewDisposeScope();
        using var constant = no_grad();
        var whole = empty(tensor.Shape, dtype: type, device: CPU);
        var flat = whole.view(-1);
        foreach (var piece in tensor.Pieces)
        {
            foreach (var (theirs, own) in piece.Pairs(flat.narrow(0, piece.First, piece.Count).view(piece.Shape), parameters[piece.Parameter]))
                theirs.copy_(own);
        }
        return scope.MoveToOuter(whole);
    }
}
