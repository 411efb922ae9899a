using TorchSharp;
using static TorchSharp.torch;

namespace Moe.Core;

/// <summary>
/// A decision's counts as plain numbers. They are read from the device in one transfer, the only one of a forward pass:
/// the sizes of the experts' batches must be known on the host, and the checks for NaN and for entries out of range ride along.
/// </summary>
internal readonly record struct RoutingCounts(
    long[] Kept, long[] Assigned, long ValidTokens, long NonFinite, long Invalid, long Misplaced, long MostKept, long? Places)
{
    /// <summary>Reads the counts of kept [E + 1] and made [E + 1] assignments, and scalars.</summary>
    public static RoutingCounts Read(Tensor kept, Tensor assigned, long tokens, long choices, Scalars scalars)
    {
        var experts = (int)kept.numel() - 1;
        if (kept.device_type == DeviceType.META)
        {
            // A meta tensor has a shape and no values. Any split gives the same shapes, so take the even one.
            var assignments = tokens * choices;
            var even = Enumerable.Range(0, experts).Select(e => assignments / experts + (e < assignments % experts ? 1 : 0)).ToArray();
            return new RoutingCounts(even, even, tokens, 0, 0, 0, choices, null);
        }

        using var onHost = torch.cat([kept, assigned, .. scalars.There.Select(scalar => scalar.reshape(1))]).cpu();
        var numbers = onHost.data<long>().ToArray();
        var next = 2 * experts + 2;
        return new RoutingCounts(
            numbers[..experts],
            numbers[(experts + 1)..(2 * experts + 1)],
            numbers[next++],
            numbers[next++],
            scalars.Invalid is null ? 0 : numbers[next++],
            scalars.Misplaced is null ? 0 : numbers[next++],
            scalars.MostKept is null ? choices : numbers[next++],
            scalars.Places is null ? null : numbers[next]);
    }

    /// <summary>What is read besides, each Int64; null for what there is no need to count.</summary>
    internal readonly ref struct Scalars
    {
        /// <summary>Tokens that are not padding.</summary>
        public required Tensor ValidTokens { get; init; }

        /// <summary>Logits that are NaN or infinite.</summary>
        public required Tensor NonFinite { get; init; }

        /// <summary>Entries out of range that the caller gave.</summary>
        public Tensor? Invalid { get; init; }

        /// <summary>Choices of the router that are no expert.</summary>
        public Tensor? Misplaced { get; init; }

        /// <summary>The most assignments that any token has kept.</summary>
        public Tensor? MostKept { get; init; }

        /// <summary>C.</summary>
        public Tensor? Places { get; init; }

        public IEnumerable<Tensor> There => new[] { ValidTokens, NonFinite, Invalid, Misplaced, MostKept, Places }.OfType<Tensor>();
    }
}
