using Moe.Core;
using static TorchSharp.torch;

namespace Moe.Classical;

/// <summary>(scale · x·z + offset)^degree: polynomials up to a degree.</summary>
public sealed record PolynomialKernel : Kernel
{
    /// <summary>The highest power.</summary>
    /// <value>The default is 3. Range: 1 to 20.</value>
    public int Degree { get; init; } = 3;

    /// <summary>Factor of the product.</summary>
    /// <value>The default is 1. Range: above 0, finite.</value>
    public double Scale { get; init; } = 1;

    /// <summary>What lower powers count: with 0 only the highest is there.</summary>
    /// <value>The default is 1. Range: at least 0, finite.</value>
    public double Offset { get; init; } = 1;

    /// <inheritdoc/>
    protected internal override Tensor Compute(Tensor left, Tensor right) => Power(left.matmul(right.t()));

    /// <inheritdoc/>
    protected internal override Tensor ComputeDiagonal(Tensor rows) => Power(rows.mul(rows).sum(dim: 1));

    internal override void Check(OptionFailures failures, long width) => failures
        .Require(Degree is >= 1 and <= 20, $"{nameof(Degree)} is {Degree}; it must be from 1 to 20.")
        .Require(Scale > 0 && double.IsFinite(Scale), $"{nameof(Scale)} is {Scale}; it must be above 0 and finite.")
        .Require(Offset >= 0 && double.IsFinite(Offset), $"{nameof(Offset)} is {Offset}; it must be at least 0 and finite.");

    private Tensor Power(Tensor products)
    {
        var inner = products.mul(tensor(Scale, dtype: ScalarType.Float64)).add(tensor(Offset, dtype: ScalarType.Float64), KeptScalars.One);
        var power = inner;
        for (var times = 1; times < Degree; times++)
            power = power.mul(inner);
        return power;
    }
}
