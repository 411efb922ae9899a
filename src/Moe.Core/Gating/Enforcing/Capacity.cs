using TorchSharp;
using static TorchSharp.torch;

namespace Moe.Core;

/// <summary>The last step of a router: which assignments still fit into their experts. Nothing is read back to decide.</summary>
internal static class Capacity
{
    /// <summary>Whether anything may be dropped.</summary>
    public static bool IsLimited(CapacityOptions? options, bool training) =>
        options is not null && (options.Fixed is not null || Factor(options, training) is { } factor && factor != 0);

    /// <summary>C for each group of tokens, [G], Float64.</summary>
    /// <param name="validTokens">Real tokens of each group, [G].</param>
    /// <param name="choices">K.</param>
    /// <param name="expertCount">E.</param>
    /// <param name="options">The rule, which <see cref="IsLimited"/>.</param>
    /// <param name="training">The mode.</param>
    public static Tensor Places(Tensor validTokens, long choices, int expertCount, CapacityOptions options, bool training)
    {
        var places = options.Fixed is { } given
            ? torch.full_like(validTokens, given, dtype: ScalarType.Float64)
            : Rounded(validTokens, choices, expertCount, Math.Abs(Factor(options, training)!.Value), options.Rounding);
        return Aligned(places, options);
    }

    /// <summary>C as the decision tells it, [G], Float64: the places that there are, or only those that are needed if the factor says so; null without either.</summary>
    /// <param name="indices">Chosen experts, [T, K], Int64; E stands for "takes no place".</param>
    /// <param name="places">What <see cref="Places"/> gave; null without a limit.</param>
    /// <param name="groups">G; the groups are T / G tokens each.</param>
    /// <param name="expertCount">E.</param>
    /// <param name="options">The rule.</param>
    /// <param name="training">The mode.</param>
    public static Tensor? Told(Tensor indices, Tensor? places, long groups, int expertCount, CapacityOptions? options, bool training)
    {
        if (options is null || options.Fixed is not null || Factor(options, training) is not <= 0)
            return places;
        var counts = Count(Queues(indices, groups, expertCount), (int)(groups * (expertCount + 1)) - 1).reshape(groups, expertCount + 1);
        var needed = Aligned(counts.narrow(1, 0, expertCount).amax([1]).to(ScalarType.Float64), options);
        return places is null ? needed : needed.minimum(places);
    }

    /// <summary>factor · K · tokens / E as a whole number, Float64.</summary>
    public static Tensor Rounded(Tensor validTokens, long choices, int expertCount, double factor, CapacityRounding rounding)
    {
        // K · T first, since K / E is not exact; and a factor such as 1.1 lies a hair above what was written, which must not open one more place.
        var exact = validTokens.to(ScalarType.Float64).mul(choices).mul(factor).div(expertCount);
        var (below, above) = (exact.mul(1 - 1e-14), exact.mul(1 + 1e-14));
        return rounding switch
        {
            CapacityRounding.Up => below.ceil(),
            CapacityRounding.Down => above.floor(),
            _ => Even(below.round(), above.round()),
        };
    }

    /// <summary>The two differ where the number is a half on paper.</summary>
    private static Tensor Even(Tensor low, Tensor high) => low.where(low.remainder(2).eq(0), high);

    /// <summary>Marks the assignments that fit.</summary>
    /// <param name="indices">Chosen experts, [T, K], Int64; E stands for "takes no place".</param>
    /// <param name="places">C for each group, [G]; the groups are T / G tokens each.</param>
    /// <param name="expertCount">E.</param>
    /// <param name="order">All N assignments (t · K + k), those that come first first, [N]; see <see cref="Order"/>.</param>
    /// <returns>[T, K], Bool.</returns>
    public static Tensor Keep(Tensor indices, Tensor places, int expertCount, Tensor order)
    {
        var (tokens, choices, groups) = (indices.size(0), indices.size(1), places.size(0));
        var device = indices.device;

        // A stable sort by queue keeps the order inside it.
        var (queue, byQueue) = Queues(indices, groups, expertCount).reshape(-1).gather(0, order).sort(0, descending: false, stable: true);
        var lengths = Count(queue, (int)(groups * (expertCount + 1)) - 1);
        var starts = lengths.cumsum(0) - lengths;
        var position = torch.arange(tokens * choices, dtype: ScalarType.Int64, device: device) - starts.gather(0, queue);

        var limits = torch.cat([places.unsqueeze(-1).expand(groups, expertCount), torch.zeros(groups, 1, dtype: places.dtype, device: device)], 1).reshape(-1);
        var fits = position.lt(limits.gather(0, queue));
        return torch.empty_like(fits).index_copy_(0, order.gather(0, byQueue), fits).reshape(tokens, choices);
    }

    /// <summary>All assignments in the order in which they get places, [N].</summary>
    /// <param name="proposal">What the router wants.</param>
    /// <param name="made">Its choices, [T, K]; E stands for "takes no place".</param>
    /// <param name="router">The router, with a capacity.</param>
    public static Tensor Order(RoutingProposal proposal, Tensor made, Router router)
    {
        var (tokens, choices) = (made.size(0), made.size(1));
        var all = torch.arange(tokens * choices, dtype: ScalarType.Int64, device: made.device);
        return router.Capacity!.Overflow switch
        {
            Overflow.ChoiceThenPosition => Ranked(all.reshape(tokens, choices), proposal, made, router.ExpertCount).reshape(-1),
            Overflow.Probability => Descending(proposal.Scores.detach().gather(1, made.clamp_max(router.ExpertCount - 1)).reshape(-1)),
            Overflow.BatchPrioritized => Ranked(all.reshape(tokens, choices), proposal, made, router.ExpertCount)
                .gather(1, Descending(proposal.Scores.detach().amax([1])).unsqueeze(0).expand(choices, tokens)).reshape(-1),
            Overflow.Random when router.training => Descending(router.Draws.Uniform(proposal.Weights.detach().reshape(-1))),
            _ => all,
        };
    }

    /// <summary>How often each of 0 … E occurs in <paramref name="experts"/>: [E + 1], Int64, the last for what no expert takes.</summary>
    public static Tensor Count(Tensor experts, int expertCount)
    {
        // bincount would ask a CUDA device for the maximum first, and wait for the answer.
        var flat = experts.reshape(-1);
        return torch.zeros(expertCount + 1, dtype: ScalarType.Int64, device: experts.device)
            .scatter_add_(0, flat, torch.ones_like(flat));
    }

    /// <summary>Assignments [T, K] as first choices, second ones and so on, [K, T]. Choices stand best first, unless all experts are chosen: then scores say which comes first.</summary>
    private static Tensor Ranked(Tensor all, RoutingProposal proposal, Tensor made, int expertCount)
    {
        if (made.size(1) < expertCount)
            return all.t();
        var scores = proposal.Scores.detach().gather(1, made.clamp_max(expertCount - 1)).masked_fill(made.eq(expertCount), double.NegativeInfinity);
        return all.gather(1, scores.sort(1, descending: true, stable: true).Indices).t();
    }

    private static double? Factor(CapacityOptions options, bool training) => training ? options.Factor : options.EvaluationFactor;

    private static Tensor Aligned(Tensor places, CapacityOptions options)
    {
        if (options.Minimum > 0)
            places = places.clamp_min(options.Minimum);
        return options.MultipleOf > 1 ? places.div(options.MultipleOf).ceil().mul(options.MultipleOf) : places;
    }

    /// <summary>Each expert of each group is a queue: g · (E + 1) + e, [T, K].</summary>
    private static Tensor Queues(Tensor indices, long groups, int expertCount) => groups == 1
        ? indices
        : indices + torch.arange(groups, dtype: ScalarType.Int64, device: indices.device)
            .mul(expertCount + 1).repeat_interleave(indices.size(0) / groups).unsqueeze(-1);

    private static Tensor Descending(Tensor values) => values.sort(0, descending: true, stable: true).Indices;
}
