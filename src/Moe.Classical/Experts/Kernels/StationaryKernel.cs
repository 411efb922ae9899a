using Moe.Core;
using static TorchSharp.torch;

namespace Moe.Classical;

/// <summary>A kernel of the scaled distance of two rows alone, r² = Σ_d ((x_d - z_d) / ℓ_d)²; 1 for a row and itself.</summary>
public abstract record StationaryKernel : Kernel
{
    private protected StationaryKernel()
    {
    }

    /// <summary>ℓ, the distance over which rows stay alike, of all columns.</summary>
    /// <value>The default is 1. Range: above 0, finite.</value>
    public double LengthScale { get; init; } = 1;

    /// <summary>ℓ_d, one for each column ("automatic relevance determination"); takes the place of <see cref="LengthScale"/>.</summary>
    /// <value>The default is null: one for all. Range: D entries, each above 0 and finite.</value>
    public IReadOnlyList<double>? LengthScales { get; init; }

    /// <summary>The same kernel with each length scale times a factor.</summary>
    /// <param name="factor">Above 0, finite.</param>
    public StationaryKernel Stretch(double factor)
    {
        if (!(factor > 0) || !double.IsFinite(factor))
            throw new ArgumentException($"Expected a factor above 0 and finite, got {factor}.", nameof(factor));
        return this with { LengthScale = LengthScale * factor, LengthScales = LengthScales?.Select(length => length * factor).ToArray() };
    }

    /// <inheritdoc/>
    protected internal sealed override Tensor Compute(Tensor left, Tensor right)
    {
        ArgumentNullException.ThrowIfNull(left);
        ArgumentNullException.ThrowIfNull(right);
        return OfSquares(Squares(left, right));
    }

    /// <inheritdoc/>
    protected internal sealed override Tensor ComputeDiagonal(Tensor rows)
    {
        ArgumentNullException.ThrowIfNull(rows);
        return ones(rows.size(0), dtype: ScalarType.Float64, device: CPU);
    }

    /// <summary>r² of each row of one matrix and each row of another.</summary>
    internal Tensor Squares(Tensor left, Tensor right)
    {
        var first = Scaled(left);
        var second = ReferenceEquals(left, right) ? first : Scaled(right);
        return SquaredDistances.Of(first, second);
    }

    /// <summary>k of r², entry by entry.</summary>
    internal abstract Tensor OfSquares(Tensor squares);

    /// <summary>dk / d(r²), entry by entry; 0 where it has no limit at r = 0, as it is only used times a part of r² there.</summary>
    internal abstract Tensor SlopeOfSquares(Tensor squares);

    /// <summary>Rows over the length scales.</summary>
    internal Tensor Scaled(Tensor rows)
    {
        var width = (int)rows.size(1);
        var lengths = LengthScales ?? [.. Enumerable.Repeat(LengthScale, width)];
        return rows.div(tensor(lengths.ToArray())).contiguous();
    }

    internal override void Check(OptionFailures failures, long width)
    {
        failures.Require(LengthScale > 0 && double.IsFinite(LengthScale), $"{nameof(LengthScale)} is {LengthScale}; it must be above 0 and finite.");
        if (LengthScales is null)
            return;
        failures.Require(width == 0 || LengthScales.Count == width, $"{nameof(LengthScales)} has {LengthScales.Count} entries; there must be one for each of {width} columns.");
        failures.Require(LengthScales.Count > 0 && LengthScales.All(length => length > 0 && double.IsFinite(length)), $"{nameof(LengthScales)} is [{string.Join(", ", LengthScales)}]; each must be above 0 and finite.");
    }
}
