using TorchSharp.Modules;
using TorchSharp.Utils;
using static TorchSharp.torch;

namespace Moe.Core;

/// <summary>Answers the same vector to every row: the leaf of a tree, a class prior, a bias that the gate switches on.</summary>
/// <remarks>Parameter: <c>value</c> [Dout]; it learns unless told otherwise.</remarks>
public sealed class ConstantExpert : nn.Module<Tensor, Tensor>, IExpert
{
    /// <summary>Builds the expert from its answer.</summary>
    /// <param name="inputWidth">D, at least 1.</param>
    /// <param name="value">The answer, [Dout], floating; copied.</param>
    /// <param name="trainable">Whether the answer is a trained parameter or stays as it is.</param>
    /// <exception cref="ArgumentException">The value is not a vector of a floating type, or has no entry.</exception>
    public ConstantExpert(long inputWidth, Tensor value, bool trainable = true)
        : base(nameof(ConstantExpert))
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(inputWidth, 1);
        TensorGuard.Alive(value, nameof(value));
        if (value.dim() != 1 || value.numel() == 0 || !TensorGuard.IsFloating(value.dtype))
            throw new ArgumentException($"Expected value of shape [Dout] and a floating type, got {TensorGuard.Shape(value)} of {value.dtype}.", nameof(value));
        InputWidth = inputWidth;
        using var noGrad = no_grad();
        Value = NewParameter.From(value.detach().clone(), trainable);
        RegisterComponents();
    }

    /// <summary>The answer, [Dout].</summary>
    [field: ComponentName(Name = "value")]
    public Parameter Value { get; }

    /// <inheritdoc/>
    public long InputWidth { get; }

    /// <inheritdoc/>
    public long OutputWidth => Value.size(0);

    internal bool IsDisposed { get; private set; }

    /// <inheritdoc cref="IExpert.forward"/>
    public override Tensor forward(Tensor input)
    {
        ObjectDisposedException.ThrowIf(IsDisposed, this);
        TensorGuard.Matrix(input, InputWidth, nameof(input));
        TensorGuard.SameAs(input, Value, nameof(input), "the expert");
        using var row = Value.unsqueeze(0);
        return row.expand(input.size(0), OutputWidth);
    }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        IsDisposed = true;
        base.Dispose(disposing);
    }
}
