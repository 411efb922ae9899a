using Moe.Core;
using static TorchSharp.torch;

namespace Moe.HuggingFace;

/// <summary>The numbers of torch tensors on their way into a file.</summary>
internal static class TensorWriting
{
    private const int Piece = 1 << 26;

    /// <summary>The description of a tensor.</summary>
    /// <exception cref="ArgumentException">It has no numbers that a file could hold.</exception>
    public static TensorDescription Describe(string name, Tensor tensor)
    {
        if (tensor is null || tensor.IsInvalid)
            throw new ArgumentException($"\"{name}\" is no tensor, or one that has been disposed.", nameof(tensor));
        if (tensor.is_sparse || tensor.device_type == TorchSharp.DeviceType.META)
            throw new ArgumentException($"\"{name}\" has no numbers row by row: it is sparse or of the device meta.", nameof(tensor));
        return new(name, ElementTypes.FromTorch(tensor.dtype) ?? throw new ArgumentException(
            $"\"{name}\" has numbers of the type {tensor.dtype}, which is none of {ElementTypes.Names}.", nameof(tensor)), tensor.shape);
    }

    /// <summary>Writes all numbers, row by row.</summary>
    public static unsafe void Write(Stream stream, Tensor tensor)
    {
        // Also negation that torch has only noted down, as for the imaginary part of a conjugate, is carried out.
        using var scope = NewDisposeScope();
        var rows = tensor.detach().resolve_neg().cpu().contiguous();
        var length = rows.numel() * rows.ElementSize;
        var start = HostMemory.Start<byte>(rows);
        for (long done = 0; done < length;)
        {
            var piece = new ReadOnlySpan<byte>(start + done, (int)Math.Min(Piece, length - done));
            stream.Write(piece);
            done += piece.Length;
        }
    }
}
