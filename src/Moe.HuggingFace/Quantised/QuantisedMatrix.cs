using Moe.Core;
using static TorchSharp.torch;

namespace Moe.HuggingFace;

/// <summary>A matrix of weights that is kept as quantised bytes and decoded when it is asked for.</summary>
/// <remarks>
/// Its state is buffers: bytes stay bytes, and scales keep their type, wherever the module goes and whatever type it is told to become. It learns nothing.
/// </remarks>
public abstract class QuantisedMatrix : nn.Module
{
    private protected QuantisedMatrix(string name, long rows, long columns)
        : base(name) =>
        (Rows, Columns) = (rows, columns);

    /// <summary>Its outputs.</summary>
    public long Rows { get; }

    /// <summary>Its inputs.</summary>
    public long Columns { get; }

    /// <summary>The bytes that it takes.</summary>
    public long MemoryBytes => buffers().Sum(buffer => buffer.numel() * buffer.ElementSize);

    /// <summary>The bytes that it would take decoded, in Float32; half of them in BFloat16. So many are taken for a while when it is used.</summary>
    public long DecodedBytes => Rows * Columns * sizeof(float);

    /// <summary>Where it lies.</summary>
    internal abstract Device Device { get; }

    /// <summary>Compresses a matrix of weights.</summary>
    /// <param name="weights">[out, in], floating, finite, on any device. Not kept.</param>
    /// <param name="compression">How.</param>
    /// <returns>The compressed one, on the same device.</returns>
    /// <exception cref="ArgumentException">The weights are not as stated, or no multiple of 32 wide for MXFP4.</exception>
    public static QuantisedMatrix From(Tensor weights, WeightCompression compression)
    {
        TensorGuard.Rows(weights, weights is { IsInvalid: false } && weights.dim() > 0 ? weights.size(-1) : 0, nameof(weights));
        TensorGuard.Matrix(weights, weights.size(-1), nameof(weights));
        TensorGuard.NotEmpty(weights, nameof(weights));
        using var noGrad = no_grad();
        using var scope = NewDisposeScope();
        if (!weights.isfinite().all().item<bool>())
            throw new ArgumentException("Expected finite weights, got NaN or an infinity.", nameof(weights));
        return compression switch
        {
            WeightCompression.Int8 => Int8Matrix.Round(weights),
            WeightCompression.Mxfp4 => Mxfp4Matrix.Round(weights),
            _ => throw new ArgumentOutOfRangeException(nameof(compression), compression, "There is no such compression."),
        };
    }

    /// <summary>The matrix in numbers.</summary>
    /// <param name="type">Float32, Float64, BFloat16 or Float16.</param>
    /// <returns>[out, in], a constant to autograd, on the device of the bytes; the caller owns it.</returns>
    public abstract Tensor Decode(ScalarType type = ScalarType.Float32);

    /// <summary>A copy that no scope disposes. Not a piece of a larger tensor, all of which it would keep.</summary>
    private protected static Tensor Own(Tensor tensor)
    {
        using var scope = NewDisposeScope();
        return scope.Detach(tensor.detach().contiguous().clone());
    }

    /// <summary>Keeps the scales as exact as they are.</summary>
    /// <inheritdoc/>
    protected override nn.Module _to(ScalarType dtype, bool non_blocking) => this;

    /// <summary>Keeps the scales as exact as they are.</summary>
    /// <inheritdoc/>
    protected override nn.Module _to(Device device, ScalarType dtype, bool non_blocking) => base._to(device, ScalarType.Float32, non_blocking);
}
