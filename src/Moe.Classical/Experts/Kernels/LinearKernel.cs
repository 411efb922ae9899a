using Moe.Core;
using static TorchSharp.torch;

namespace Moe.Classical;

/// <summary>x·z + offset: linear functions.</summary>
public sealed record LinearKernel : Kernel
{
    /// <summary>Added to each product: the variance of an intercept.</summary>
    /// <value>The default is 0. Range: at least 0, finite.</value>
    public double Offset { get; init; }

    /// <inheritdoc/>
    protected internal override Tensor Compute(Tensor left, Tensor right) => left.matmul(right.t()).add(tensor(Offset, dtype: ScalarType.Float64), KeptScalars.One);

    /// <inheritdoc/>
    protected internal override Tensor ComputeDiagonal(Tensor rows) => rows.mul(rows).sum(dim: 1).add(tensor(Offset, dtype: ScalarType.Float64), KeptScalars.One);

    internal override void Check(OptionFailures failures, long width) =>
        failures.Require(Offset >= 0 && double.IsFinite(Offset), $"{nameof(Offset)} is {Offset}; it must be at least 0 and finite.");
}
