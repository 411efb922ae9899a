using System.Diagnostics.CodeAnalysis;
using Moe.Core;
using TorchSharp.Utils;
using static TorchSharp.torch;

namespace Moe.HuggingFace;

/// <summary>A matrix in <see cref="Mxfp4"/>, its blocks along the rows, as gpt-oss publishes the weights of its experts.</summary>
/// <remarks>Buffers: <c>blocks</c> [out, in / 32, 16] and <c>scales</c> [out, in / 32], both Byte.</remarks>
public sealed class Mxfp4Matrix : QuantisedMatrix
{
    /// <summary>Takes blocks and scales.</summary>
    /// <param name="blocks">[out, in / 32, 16], Byte. Copied.</param>
    /// <param name="scales">[out, in / 32], Byte, on the same device. Copied.</param>
    /// <exception cref="ArgumentException">A shape, a type or a device is not as stated.</exception>
    public Mxfp4Matrix(Tensor blocks, Tensor scales)
        : base(nameof(Mxfp4Matrix), Checked(blocks, scales).size(0), scales.size(1) * Mxfp4.BlockSize)
    {
        Blocks = Own(blocks);
        Scales = Own(scales);
        RegisterComponents();
    }

    /// <summary>[out, in / 32, 16], Byte; a buffer.</summary>
    [field: ComponentName(Name = "blocks")]
    public Tensor Blocks { get; }

    /// <summary>[out, in / 32], Byte; a buffer.</summary>
    [field: ComponentName(Name = "scales")]
    public Tensor Scales { get; }

    internal override Device Device => Blocks.device;

    /// <inheritdoc/>
    public override Tensor Decode(ScalarType type = ScalarType.Float32)
    {
        ObjectDisposedException.ThrowIf(Blocks.IsInvalid, this);
        return Mxfp4.Decode(Blocks, Scales, type);
    }

    /// <summary>Rounds weights, on the host.</summary>
    internal static Mxfp4Matrix Round(Tensor weights)
    {
        if (weights.size(1) % Mxfp4.BlockSize != 0)
            throw new ArgumentException($"Expected rows of a multiple of {Mxfp4.BlockSize} weights, got {TensorGuard.Shape(weights)}.", nameof(weights));
        using var scope = NewDisposeScope();
        var numbers = weights.detach().to(ScalarType.Float32).cpu().contiguous();
        var blocks = empty([weights.size(0), weights.size(1) / Mxfp4.BlockSize, Mxfp4.BlockBytes], dtype: ScalarType.Byte, device: CPU);
        var scales = empty(blocks.shape[..2], dtype: ScalarType.Byte, device: CPU);
        Mxfp4.Encode(HostMemory.Of<float>(numbers), HostMemory.Of<byte>(blocks), HostMemory.Of<byte>(scales));
        return new Mxfp4Matrix(blocks.to(weights.device), scales.to(weights.device));
    }

    private static Tensor Checked([NotNull] Tensor? blocks, [NotNull] Tensor? scales)
    {
        Mxfp4.RequireTensors(blocks, scales);
        if (blocks.dim() != 3 || blocks.numel() == 0)
            throw new ArgumentException($"Expected blocks of shape [out, in / {Mxfp4.BlockSize}, {Mxfp4.BlockBytes}], got {TensorGuard.Shape(blocks)}.", nameof(blocks));
        return blocks;
    }
}
