using Moe.Core;
using static TorchSharp.torch;

namespace Moe.Classical;

/// <summary>A positive semidefinite similarity of two rows, as settings without data.</summary>
/// <remarks>Derive from it for a kernel of your own; experts with such a kernel are fitted and asked as others are, but not stored.</remarks>
public abstract record Kernel
{
    /// <summary>The kernel of each row of one matrix with each row of another.</summary>
    /// <param name="left">Rows [n, D], finite, any type of numbers.</param>
    /// <param name="right">Rows [m, D], finite.</param>
    /// <returns>[n, m], Float64 on the CPU. The caller owns it.</returns>
    /// <exception cref="ArgumentException">The widths differ, a number is not finite, or a setting is out of its range.</exception>
    public Tensor Between(Tensor left, Tensor right)
    {
        using var scope = NewDisposeScope();
        using var constant = no_grad();
        var first = DataGuard.Matrix(left, nameof(left));
        var second = DataGuard.Rows(right, first.size(1), nameof(right));
        Validate(first.size(1), nameof(left));
        return scope.MoveToOuter(Compute(first, second));
    }

    /// <summary>The kernel of each row with itself.</summary>
    /// <param name="rows">Rows [n, D], finite.</param>
    /// <returns>[n], Float64 on the CPU. The caller owns it.</returns>
    public Tensor Diagonal(Tensor rows)
    {
        using var scope = NewDisposeScope();
        using var constant = no_grad();
        var matrix = DataGuard.Matrix(rows, nameof(rows));
        Validate(matrix.size(1), nameof(rows));
        return scope.MoveToOuter(ComputeDiagonal(matrix));
    }

    /// <summary>The kernel of rows that are checked. Runs in the caller's dispose scope, without gradients.</summary>
    /// <param name="left">[n, D], Float64 on the CPU, contiguous.</param>
    /// <param name="right">[m, D], the same.</param>
    /// <returns>[n, m], new.</returns>
    protected internal abstract Tensor Compute(Tensor left, Tensor right);

    /// <summary>The diagonal of <see cref="Compute"/> of rows with themselves.</summary>
    /// <param name="rows">[n, D], Float64 on the CPU, contiguous.</param>
    /// <returns>[n], new.</returns>
    protected internal abstract Tensor ComputeDiagonal(Tensor rows);

    /// <summary>Throws if the settings are out of range, or do not fit rows of a width.</summary>
    internal void Validate(long width, string parameterName)
    {
        var failures = new OptionFailures(GetType().Name);
        Check(failures, width);
        failures.ThrowIfAny(parameterName);
    }

    /// <summary>Notes what is wrong with the settings; width 0 stands for a width not known yet.</summary>
    internal virtual void Check(OptionFailures failures, long width)
    {
    }
}
