namespace Moe.Benchmarks.Ratios;

/// <summary>
/// The time that no implementation of the row can beat on this machine: the larger of computing and reading.
/// </summary>
/// <remarks>
/// <para>Computing: the 2 · 3 · D · F · K · T operations of the forward pass as one dense product in the row's type (the fastest of its orientations, the median of its calls); training three times as
/// many, since the backward pass makes the gradients of the tokens and those of the weights.</para>
/// <para>Reading: the weights of the experts that tokens were sent to, once, at the rate at which a large buffer is read; training twice as
/// many bytes, since as many gradients are written. The average over the batches of the rounds.</para>
/// <para>Both are measured in the same process, just before and just after the rounds, and the better of each counts.</para>
/// </remarks>
internal sealed record Floor(double ComputeMs, double BytesMs)
{
    public double Ms => Math.Max(ComputeMs, BytesMs);

    /// <summary>What decides.</summary>
    public string Bound => ComputeMs >= BytesMs ? "FLOPs" : "bytes";

    public static Floor Of(RatioCase row, Ceilings ceilings, double expertsHit)
    {
        var bytes = expertsHit * row.Layer.ExpertSize * row.ElementSize;
        var (computations, transfers) = row.Pass == Pass.Train ? (3, 2) : (1, 1);
        return new Floor(computations * ceilings.ProductMs, transfers * bytes / ceilings.BytesPerMs);
    }
}
