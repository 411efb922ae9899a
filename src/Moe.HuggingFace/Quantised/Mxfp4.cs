using System.Diagnostics.CodeAnalysis;
using Moe.Core;
using TorchSharp;
using static TorchSharp.torch;

namespace Moe.HuggingFace;

/// <summary>
/// MXFP4 (OCP Microscaling Formats 1.0, 2023): blocks of 32 numbers of 4 bits (E2M1: 0, ½, 1, 1½, 2, 3, 4, 6 and their negatives) that share one scale of 8 bits
/// (E8M0: 2^(s - 127)). gpt-oss publishes its experts so.
/// </summary>
/// <remarks>
/// <para>A block is 16 bytes; the low half of a byte comes before the high one.</para>
/// <para>Every number there is, is exact in Float32 and in BFloat16 alike: nothing underflows (s = 0 makes ½ the subnormal 2⁻¹²⁸). What is beyond them, 4 and 6 at s = 253
/// and 2 to 6 at s = 254, becomes infinite. s = 255 is NaN, and so is its whole block.</para>
/// </remarks>
public static class Mxfp4
{
    /// <summary>The numbers of a block.</summary>
    public const int BlockSize = 32;

    /// <summary>The bytes of a block, without its scale.</summary>
    public const int BlockBytes = 16;

    /// <summary>Decodes blocks, exactly.</summary>
    /// <param name="blocks">16 bytes a block.</param>
    /// <param name="scales">One byte a block.</param>
    /// <param name="destination">32 numbers a block.</param>
    /// <exception cref="ArgumentException">The lengths do not fit each other.</exception>
    public static void Decode(ReadOnlySpan<byte> blocks, ReadOnlySpan<byte> scales, Span<float> destination)
    {
        RequireLengths(blocks.Length, scales.Length, destination.Length);
        Mxfp4Kernel.Decode(blocks, scales, destination);
    }

    /// <summary>Decodes blocks to the bits of BFloat16, exactly.</summary>
    /// <inheritdoc cref="Decode(ReadOnlySpan{byte}, ReadOnlySpan{byte}, Span{float})"/>
    public static void DecodeToBFloat16(ReadOnlySpan<byte> blocks, ReadOnlySpan<byte> scales, Span<ushort> destination)
    {
        RequireLengths(blocks.Length, scales.Length, destination.Length);
        Mxfp4Kernel.Decode(blocks, scales, destination);
    }

    /// <summary>Decodes a tensor, on the device where it lies.</summary>
    /// <param name="blocks">[*, G, 16], Byte.</param>
    /// <param name="scales">[*, G], Byte, on the same device.</param>
    /// <param name="type">What the numbers are to be. Float16 and Float64 get what Float32 holds, rounded where it must be.</param>
    /// <returns>[*, 32 · G], in that type; the caller owns it. A constant to autograd.</returns>
    /// <exception cref="ArgumentException">A shape, a type or a device is not as stated.</exception>
    public static Tensor Decode(Tensor blocks, Tensor scales, ScalarType type)
    {
        RequireTensors(blocks, scales);
        TensorGuard.Floating(type, nameof(type));
        using var noGrad = no_grad();
        using var scope = NewDisposeScope();
        var exact = type == ScalarType.BFloat16 ? type : ScalarType.Float32;
        var numbers = blocks.device.type == DeviceType.CPU ? Mxfp4Tensors.OnHost(blocks, scales, exact) : Mxfp4Tensors.WithTorch(blocks, scales, exact);
        return scope.MoveToOuter(numbers.to(type));
    }

    /// <summary>
    /// Encodes blocks: the scale is that of the largest number, 2^(⌊log₂ max⌋ - 2), and each number goes to the nearest there is, the even one of two that are as near;
    /// what lies between 6 and 8 scales becomes 6.
    /// </summary>
    /// <param name="numbers">32 a block. One that is not finite makes its block NaN.</param>
    /// <param name="blocks">16 bytes a block.</param>
    /// <param name="scales">One byte a block. A block of zeros gets 0.</param>
    /// <exception cref="ArgumentException">The lengths do not fit each other.</exception>
    public static void Encode(ReadOnlySpan<float> numbers, Span<byte> blocks, Span<byte> scales)
    {
        RequireLengths(blocks.Length, scales.Length, numbers.Length);
        for (var block = 0; block < scales.Length; block++)
            scales[block] = Mxfp4Rounding.Encode(numbers.Slice(block * BlockSize, BlockSize), blocks.Slice(block * BlockBytes, BlockBytes));
    }

    internal static void RequireTensors([NotNull] Tensor? blocks, [NotNull] Tensor? scales)
    {
        TensorGuard.Alive(blocks, nameof(blocks));
        TensorGuard.Alive(scales, nameof(scales));
        if (blocks.dtype != ScalarType.Byte || scales.dtype != ScalarType.Byte)
            throw new ArgumentException($"Expected blocks and scales of type Byte, got {blocks.dtype} and {scales.dtype}.", nameof(blocks));
        if (blocks.dim() < 2 || blocks.size(-1) != BlockBytes || !blocks.shape.AsSpan(..^1).SequenceEqual(scales.shape))
        {
            throw new ArgumentException(
                $"Expected blocks of shape [*, G, {BlockBytes}] and scales of shape [*, G], got {TensorGuard.Shape(blocks)} and {TensorGuard.Shape(scales)}.", nameof(blocks));
        }
        TensorGuard.SameDevice(scales, blocks.device, nameof(scales), "the blocks");
    }

    private static void RequireLengths(int blocks, int scales, int numbers)
    {
        if (blocks != (long)scales * BlockBytes || numbers != (long)scales * BlockSize)
        {
            throw new ArgumentException(
                $"Expected {BlockBytes} bytes and {BlockSize} numbers for each of {scales} scales, got {blocks} bytes and {numbers} numbers.", nameof(scales));
        }
    }
}
