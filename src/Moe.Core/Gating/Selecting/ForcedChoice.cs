using static TorchSharp.torch;

namespace Moe.Core;

/// <summary>Takes a caller's word for which experts tokens are sent to (<see cref="RoutingContext.ForcedIndices"/>).</summary>
internal static class ForcedChoice
{
    /// <summary>Reads forced entries, [T, K]: experts, and complements of experts that were considered, but not taken.</summary>
    public static Choice Of(Tensor forced, int expertCount, Tensor? mask)
    {
        var taken = forced.ge(0);
        var experts = forced.where(taken, forced.bitwise_not());
        return new Choice(experts.clamp_max(expertCount - 1), taken, Invalid: CountWrong(forced, experts.ge(expertCount), mask));
    }

    /// <summary>The entries that are out of range or there twice. Whatever is said of padding says nothing.</summary>
    private static Tensor CountWrong(Tensor forced, Tensor outside, Tensor? mask)
    {
        var sorted = forced.sort(1).Values;
        var (left, right) = (sorted.narrow(1, 0, forced.size(1) - 1), sorted.narrow(1, 1, forced.size(1) - 1));
        var twice = left.eq(right).bitwise_and(left.ge(0));
        if (mask is not null)
            (outside, twice) = (outside.bitwise_and(mask.unsqueeze(-1)), twice.bitwise_and(mask.unsqueeze(-1)));
        return outside.sum() + twice.sum();
    }
}
