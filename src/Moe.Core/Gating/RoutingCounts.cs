using TorchSharp;
using static TorchSharp.torch;

namespace Moe.Core;

/// <summary>
/// A decision's counts as plain numbers. They are read from the device in one transfer, the only one of a forward pass:
/// the sizes of the experts' batches must be known on the host, and the checks for NaN and for entries out of range ride along.
/// </summary>
internal sealed record RoutingCounts(long[] Kept, long[] Assigned, long ValidTokens, long NonFinite, long Invalid, long MostKept, long? Places)
{
    /// <summary>Reads the counts of kept [E + 1] and made [E + 1] assignments, and scalars.</summary>
    public static RoutingCounts Read(
        Tensor kept, Tensor assigned, Tensor validTokens, Tensor nonFinite, Tensor? invalid, Tensor? mostKept, Tensor? places, long tokens, long choices)
    {
        var experts = (int)kept.numel() - 1;
        if (kept.device_type == DeviceType.META)
        {
            // A meta tensor has a shape and no values. Any split gives the same shapes, so take the even one.
            var assignments = tokens * choices;
            var even = Enumerable.Range(0, experts).Select(e => assignments / experts + (e < assignments % experts ? 1 : 0)).ToArray();
            return new RoutingCounts(even, even, tokens, 0, 0, choices, null);
        }

        var scalars = new[] { validTokens, nonFinite, invalid, mostKept, places }.OfType<Tensor>().Select(scalar => scalar.reshape(1));
        using var onHost = torch.cat([kept, assigned, .. scalars]).cpu();
        var numbers = onHost.data<long>().ToArray();
        var next = 2 * experts + 2;
        return new RoutingCounts(
            numbers[..experts],
            numbers[(experts + 1)..(2 * experts + 1)],
            numbers[next++],
            numbers[next++],
            invalid is null ? 0 : numbers[next++],
            mostKept is null ? choices : numbers[next++],
            places is null ? null : numbers[next]);
    }
}
