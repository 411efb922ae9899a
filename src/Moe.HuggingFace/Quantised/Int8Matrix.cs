using Moe.Core;
using TorchSharp;
using TorchSharp.Utils;
using static TorchSharp.torch;

namespace Moe.HuggingFace;

/// <summary>A matrix of 8-bit integers with one scale a row: w = code · scale, the product in Float32.</summary>
/// <remarks>Buffers: <c>codes</c> [out, in], Int8, from -127 to 127; <c>scales</c> [out, 1], Float32.</remarks>
public sealed class Int8Matrix : QuantisedMatrix
{
    private const int LargestCode = 127;

    /// <summary>Takes codes and scales.</summary>
    /// <param name="codes">[out, in], Int8. Copied.</param>
    /// <param name="scales">[out, 1], Float32, on the same device. Copied.</param>
    /// <exception cref="ArgumentException">A shape, a type or a device is not as stated.</exception>
    public Int8Matrix(Tensor codes, Tensor scales)
        : base(nameof(Int8Matrix), Checked(codes, scales).size(0), codes.size(1))
    {
        Codes = Own(codes);
        Scales = Own(scales);
        RegisterComponents();
    }

    /// <summary>[out, in], Int8; a buffer.</summary>
    [field: ComponentName(Name = "codes")]
    public Tensor Codes { get; }

    /// <summary>[out, 1], Float32; a buffer.</summary>
    [field: ComponentName(Name = "scales")]
    public Tensor Scales { get; }

    internal override Device Device => Codes.device;

    /// <inheritdoc/>
    public override Tensor Decode(ScalarType type = ScalarType.Float32)
    {
        ObjectDisposedException.ThrowIf(Codes.IsInvalid, this);
        TensorGuard.Floating(type, nameof(type));
        using var noGrad = no_grad();
        using var scope = NewDisposeScope();
        var exact = type == ScalarType.BFloat16 ? type : ScalarType.Float32;
        var numbers = Codes.device.type == DeviceType.CPU ? Int8Tensors.OnHost(Codes, Scales, exact) : Int8Tensors.WithTorch(Codes, Scales, exact);
        return scope.MoveToOuter(numbers.to(type));
    }

    /// <summary>Rounds weights to the nearest codes, the even one of two that are as near.</summary>
    internal static Int8Matrix Round(Tensor weights)
    {
        using var scope = NewDisposeScope();
        var exact = weights.detach().to(ScalarType.Float64);
        var scales = (exact.abs().amax([1], keepdim: true) / LargestCode).to(ScalarType.Float32);

        // A row of zeros has scale 0, and so has one that Float32 does not hold: both are as good as 0 by what their weights are.
        var divisors = scales.to(ScalarType.Float64).masked_fill(scales.eq(0), double.PositiveInfinity);
        return new Int8Matrix((exact / divisors).round().clamp(-LargestCode, LargestCode).to(ScalarType.Int8), scales);
    }

    private static Tensor Checked(Tensor codes, Tensor scales)
    {
        TensorGuard.Alive(codes, nameof(codes));
        TensorGuard.Alive(scales, nameof(scales));
        if (codes.dtype != ScalarType.Int8 || scales.dtype != ScalarType.Float32)
            throw new ArgumentException($"Expected codes of type Int8 and scales of type Float32, got {codes.dtype} and {scales.dtype}.", nameof(codes));
        if (codes.dim() != 2 || codes.numel() == 0 || !scales.shape.AsSpan().SequenceEqual([codes.size(0), 1]))
            throw new ArgumentException($"Expected codes of shape [out, in] and scales of shape [out, 1], got {TensorGuard.Shape(codes)} and {TensorGuard.Shape(scales)}.", nameof(codes));
        TensorGuard.SameDevice(scales, codes.device, nameof(scales), "the codes");
        return codes;
    }
}
