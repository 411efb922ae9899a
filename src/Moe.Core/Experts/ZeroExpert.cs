using static TorchSharp.torch;

namespace Moe.Core;

/// <summary>Answers zero: a token sent here costs nothing and gets nothing ("zero expert" of MoE++, Jin et al. 2024, eq. 3).</summary>
public sealed class ZeroExpert : IExpert
{
    /// <summary>Builds the expert.</summary>
    /// <param name="inputWidth">D, at least 1.</param>
    /// <param name="outputWidth">Dout, at least 1.</param>
    /// <exception cref="ArgumentOutOfRangeException">A width is below 1.</exception>
    public ZeroExpert(long inputWidth, long outputWidth)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(inputWidth, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(outputWidth, 1);
        InputWidth = inputWidth;
        OutputWidth = outputWidth;
    }

    /// <inheritdoc/>
    public long InputWidth { get; }

    /// <inheritdoc/>
    public long OutputWidth { get; }

    /// <inheritdoc/>
    public Tensor forward(Tensor input)
    {
        TensorGuard.Matrix(input, InputWidth, nameof(input));
        return zeros(input.size(0), OutputWidth, dtype: input.dtype, device: input.device);
    }
}
