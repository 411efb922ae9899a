using static TorchSharp.torch;

namespace Moe.Core;

/// <summary>A rule, a lambda, a fitted model of any kind as an expert. Its answers are constants to autograd; the gate still learns when to ask it.</summary>
public sealed class DelegateExpert : IExpert
{
    private readonly Func<Tensor, Tensor> _rule;

    /// <summary>Wraps a function.</summary>
    /// <param name="inputWidth">D, at least 1.</param>
    /// <param name="outputWidth">Dout, at least 1.</param>
    /// <param name="rule">Maps [n, D] to [n, Dout], for n = 0 too; called without gradients. Must not change its argument.</param>
    /// <exception cref="ArgumentOutOfRangeException">A width is below 1.</exception>
    public DelegateExpert(long inputWidth, long outputWidth, Func<Tensor, Tensor> rule)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(inputWidth, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(outputWidth, 1);
        ArgumentNullException.ThrowIfNull(rule);
        InputWidth = inputWidth;
        OutputWidth = outputWidth;
        _rule = rule;
    }

    /// <inheritdoc/>
    public long InputWidth { get; }

    /// <inheritdoc/>
    public long OutputWidth { get; }

    /// <inheritdoc/>
    public Tensor forward(Tensor input)
    {
        TensorGuard.Matrix(input, InputWidth, nameof(input));
        return _rule(input);
    }
}
