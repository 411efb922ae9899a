using static TorchSharp.torch;

namespace Moe.Core.Tests;

/// <summary>How far a number of ours is from theirs, and how far it may be.</summary>
internal sealed record Deviation(string What, double Distance, double Tolerance)
{
    public bool IsTooLarge => !(Distance <= Tolerance);

    /// <summary>Float32: 1e-5 · max(1, max |theirs|), enough for any honest order of summation, too small for a wrong formula.</summary>
    /// <param name="what">The name of the number.</param>
    /// <param name="ours">Ours.</param>
    /// <param name="theirs">Theirs.</param>
    /// <param name="whole">What theirs is a part of; null when it is the whole.</param>
    public static Deviation Of(string what, Tensor ours, Tensor theirs, Tensor? whole = null)
    {
        ours.shape.Should().Equal(theirs.shape, "that is the shape of {0}", what);
        whole ??= theirs;
        return new(what, Compare.Distance(ours, theirs), 1e-5 * Math.Max(1, Compare.Distance(whole, zeros_like(whole))));
    }
}
