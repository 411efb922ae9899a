using Moe.Core;
using static TorchSharp.torch;

namespace Moe.Classical;

/// <summary>The gate of Jacobs et al. (1991): g = softmax of one linear function of the row for each expert, intercept included.</summary>
public sealed class SoftmaxGate : IStoredGate
{
    internal const string Kind = "softmax";

    /// <summary>Products that loops do as fast as torch's threads begin.</summary>
    private const long MostInLoops = 1 << 20;

    private readonly Tensor _coefficients;

    /// <summary>A gate of given coefficients.</summary>
    /// <param name="coefficients">[K, Dz + 1], finite: for each expert the intercept, then the slopes, in units of the rows as they are. Copied.</param>
    /// <param name="freedom">Free parameters; null for (K - 1)(Dz + 1), as the functions matter only by their differences.</param>
    /// <exception cref="ArgumentException">There is no slope, or a number is not finite.</exception>
    public SoftmaxGate(Tensor coefficients, double? freedom = null)
    {
        var matrix = DataGuard.Matrix(coefficients, nameof(coefficients));
        if (matrix.size(1) < 2)
            throw new ArgumentException($"Expected coefficients of shape [K, Dz + 1] with Dz at least 1, got [{matrix.size(0)}, {matrix.size(1)}].", nameof(coefficients));
        _coefficients = matrix.detach().clone().DetachFromDisposeScope();
        if (!ReferenceEquals(matrix, coefficients))
            matrix.Dispose();
        (Experts, InputWidth) = ((int)_coefficients.size(0), _coefficients.size(1) - 1);
        DegreesOfFreedom = freedom ?? (Experts - 1) * (InputWidth + 1);
    }

    /// <inheritdoc/>
    public long InputWidth { get; }

    /// <inheritdoc/>
    public int Experts { get; }

    /// <inheritdoc/>
    public double? DegreesOfFreedom { get; }

    /// <summary>The coefficients, [K, Dz + 1], intercepts first. A copy that the caller owns.</summary>
    public Tensor Coefficients() => _coefficients.clone();

    /// <inheritdoc/>
    public Tensor LogProbabilities(Tensor rows)
    {
        ArgumentNullException.ThrowIfNull(rows);
        var n = rows.size(0);
        using var scope = NewDisposeScope();
        Tensor answer;
        if (n * Experts * InputWidth > MostInLoops)
        {
            answer = rows.matmul(_coefficients.narrow(1, 1, InputWidth).t()).contiguous();
        }
        else
        {
            answer = empty(n, Experts, dtype: ScalarType.Float64, device: CPU);
            Products(HostMemory.Of<double>(rows), HostMemory.Of<double>(answer), (int)InputWidth);
        }
        Normalise(HostMemory.Of<double>(answer));
        return scope.MoveToOuter(answer);
    }

    /// <inheritdoc/>
    public ExpertState ToState() => new ExpertState(Kind).Set("freedom", DegreesOfFreedom).Add("coefficients", _coefficients);

    /// <summary>The same gate with the first expert's coefficients at 0 and the experts in another order: place k is taken by expert <paramref name="order"/>[k].</summary>
    internal SoftmaxGate Referenced(IReadOnlyList<int> order)
    {
        using var copy = _coefficients.clone();
        var from = HostMemory.Of<double>(_coefficients);
        var to = HostMemory.Of<double>(copy);
        var width = (int)InputWidth + 1;
        for (var expert = 0; expert < Experts; expert++)
        {
            for (var column = 0; column < width; column++)
                to[(expert * width) + column] = from[(order[expert] * width) + column] - from[(order[0] * width) + column];
        }
        return new SoftmaxGate(copy, DegreesOfFreedom);
    }

    internal static SoftmaxGate FromState(ExpertState state)
    {
        using var coefficients = state.GetTensor("coefficients", -1, -1);
        return new SoftmaxGate(coefficients, state.Get<double?>("freedom"));
    }

    private void Products(ReadOnlySpan<double> rows, Span<double> logits, int width)
    {
        var coefficients = HostMemory.Of<double>(_coefficients);
        for (var (row, place) = (0, 0); place < logits.Length; row += width)
        {
            for (var expert = 0; expert < Experts; expert++, place++)
            {
                var sum = 0.0;
                var slopes = coefficients.Slice((expert * (width + 1)) + 1, width);
                for (var column = 0; column < width; column++)
                    sum += slopes[column] * rows[row + column];
                logits[place] = sum;
            }
        }
    }

    /// <summary>Adds the intercepts and takes each row's log of the sum of exponentials away.</summary>
    private void Normalise(Span<double> logits)
    {
        var coefficients = HostMemory.Of<double>(_coefficients);
        var width = (int)InputWidth + 1;
        for (var start = 0; start < logits.Length; start += Experts)
        {
            var row = logits.Slice(start, Experts);
            for (var expert = 0; expert < Experts; expert++)
                row[expert] += coefficients[expert * width];
            LogSum.Normalise(row);
        }
    }
}
