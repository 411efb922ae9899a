using static TorchSharp.torch;

namespace Moe.Benchmarks.Parts;

/// <summary>Whether a part of ours and torch's own operations compute the same. What is fast and wrong is not timed.</summary>
internal static class PartAgreement
{
    /// <summary>In parts of the largest number: some hundred times what a rounding is, for sums of some hundred numbers in another order.</summary>
    private const double Allowed = 1e-5;

    /// <summary>Compares two results, Float32 or Float64.</summary>
    /// <exception cref="InvalidOperationException">They differ in shape, or by more than roundings explain.</exception>
    public static void Require(string way, Tensor ours, Tensor expected)
    {
        if (!ours.shape.SequenceEqual(expected.shape))
            throw new InvalidOperationException($"{way}: shape [{string.Join(", ", ours.shape)}] instead of [{string.Join(", ", expected.shape)}]: not timed.");

        using var scope = NewDisposeScope();
        var wanted = expected.to(ScalarType.Float64);
        var difference = (ours.to(ScalarType.Float64) - wanted).abs().max().item<double>() / wanted.abs().max().item<double>();
        // NaN is larger than nothing.
        if (!(difference <= Allowed))
            throw new InvalidOperationException($"{way}: differs from torch's way by {difference:0.0e0} of the largest number, more than {Allowed}: not timed.");
    }
}
