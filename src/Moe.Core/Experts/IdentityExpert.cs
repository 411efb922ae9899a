using static TorchSharp.torch;

namespace Moe.Core;

/// <summary>Answers its input: a token sent here skips the layer, times its weight ("copy expert" of MoE++, Jin et al. 2024, eq. 4). Gradients pass through.</summary>
public sealed class IdentityExpert : nn.Module<Tensor, Tensor>, IExpert
{
    /// <summary>Builds the expert; it has no parameters.</summary>
    /// <param name="width">D = Dout, at least 1.</param>
    /// <exception cref="ArgumentOutOfRangeException">The width is below 1.</exception>
    public IdentityExpert(long width)
        : base(nameof(IdentityExpert))
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(width, 1);
        InputWidth = width;
    }

    /// <inheritdoc/>
    public long InputWidth { get; }

    /// <inheritdoc/>
    public long OutputWidth => InputWidth;

    internal bool IsDisposed { get; private set; }

    /// <inheritdoc cref="IExpert.forward"/>
    public override Tensor forward(Tensor input)
    {
        ObjectDisposedException.ThrowIf(IsDisposed, this);
        TensorGuard.Matrix(input, InputWidth, nameof(input));
        return input.alias();
    }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        IsDisposed = true;
        base.Dispose(disposing);
    }
}
