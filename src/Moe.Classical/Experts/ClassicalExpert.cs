using Moe.Core;
using static TorchSharp.torch;

namespace Moe.Classical;

/// <summary>An expert that is not a network: answers rows in Float64 on the CPU, whatever type and device they come in.</summary>
/// <remarks>
/// Derive from it for a model of your own: <see cref="Predict"/> gets rows that are checked. A fitted expert is never changed, so that it may answer on several threads at
/// once; refitting gives a new one (<see cref="IExpertLearner"/>).
/// </remarks>
public abstract class ClassicalExpert : IExpert
{
    /// <summary>An expert of two widths.</summary>
    /// <param name="inputWidth">D, at least 1.</param>
    /// <param name="outputWidth">Dout, at least 1: 1 for a mean, C for probabilities of C classes.</param>
    /// <exception cref="ArgumentOutOfRangeException">A width is below 1.</exception>
    protected ClassicalExpert(long inputWidth, long outputWidth)
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

    /// <summary>The mean of the response, or the probability of each class.</summary>
    /// <param name="input">Rows [n, D], finite, any type of numbers, any device; n = 0 is legal.</param>
    /// <returns>[n, Dout], of the input's type if that is a floating type and otherwise Float64, on its device. The caller owns it.</returns>
    /// <exception cref="ArgumentException">The shape is another, or a number is not finite.</exception>
    public Tensor forward(Tensor input)
    {
        using var scope = NewDisposeScope();
        using var constant = no_grad();
        var rows = DataGuard.Rows(input, InputWidth, nameof(input));
        var answer = rows.size(0) == 0 ? zeros(0, OutputWidth, dtype: ScalarType.Float64, device: CPU) : Predict(rows);
        var type = input.is_floating_point() ? input.dtype : ScalarType.Float64;
        return scope.MoveToOuter(answer.dtype == type && input.device_type == answer.device_type ? answer : answer.to(type, input.device));
    }

    /// <summary>Answers rows. Runs without gradients, in a dispose scope of its own.</summary>
    /// <param name="rows">[n, D], n at least 1: Float64 on the CPU, contiguous, finite. Not to be changed, kept or disposed.</param>
    /// <returns>[n, Dout], new, Float64 on the CPU.</returns>
    protected abstract Tensor Predict(Tensor rows);
}
