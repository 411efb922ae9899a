using TorchSharp;
using static TorchSharp.torch;

namespace Moe.Core;

/// <summary>From what a router wants to what it gets: leaves out padding and what does not fit, counts, and refuses what cannot be routed by.</summary>
internal sealed class Enforcement(Router router, RoutingProposal proposal, Tensor? mask, long sequenceLength)
{
    private readonly int _experts = router.ExpertCount;
    private readonly long _tokens = proposal.Indices.size(0);
    private readonly long _choices = proposal.Indices.size(1);
    private readonly Device _device = proposal.Indices.device;
    private readonly bool _limited = Capacity.IsLimited(router.Capacity, router.training);

    /// <summary>G, the groups of tokens that have places of their own.</summary>
    private long Groups => router.Capacity is { Scope: TokenScope.Sequence } ? _tokens / sequenceLength : 1;

    public RoutingDecision Decide()
    {
        var (kept, counts, host) = HostPath.Allows(proposal.Indices) ? OnHost() : OnDevice();
        Refuse(host);
        return new RoutingDecision(proposal, kept is null ? proposal.Weights : Weights(kept), mask, kept, counts, host)
        {
            SequenceLength = sequenceLength,
            WeightTarget = router.WeightTarget,
            DroppedTokens = _limited ? router.Capacity!.Dropped : DroppedTokens.Zero,
            Capacity = host.Places,
        };
    }

    /// <summary>By loops over the host's memory; without a capacity, no operator runs.</summary>
    private (Tensor? Kept, Tensor? Counts, RoutingCounts Host) OnHost()
    {
        if (router.Capacity is null)
        {
            var (all, numbers) = HostCounting.Of(proposal, mask, _experts, limit: null, told: null);
            return (all, null, numbers);
        }
        var made = Made(Meant());
        var places = Places();
        (Tensor, Tensor)? limit = places is null ? null : (Capacity.Order(proposal, made, router), places);
        var (kept, host) = HostCounting.Of(proposal, mask, _experts, limit, Told(made, places));
        return (kept, null, host);
    }

    /// <summary>By operators, and one transfer to the host.</summary>
    private (Tensor? Kept, Tensor? Counts, RoutingCounts Host) OnDevice()
    {
        var meant = Meant();
        var made = Made(meant);
        var places = Places();
        var kept = places is not null ? Capacity.Keep(made, places, _experts, Capacity.Order(proposal, made, router))
            : meant is not null ? made.lt(_experts)
            : null;
        var assigned = Capacity.Count(made, _experts);
        var counts = _limited ? Capacity.Count(made.masked_fill(kept!.bitwise_not(), _experts), _experts) : assigned;

        // What is not finite in the logits is not finite after noise and temperature either, which may spoil them on their own.
        // x - x is 0 unless x is NaN or infinite; isfinite says the same, but not on the meta device.
        var logits = proposal.Perturbed ?? proposal.Logits;
        var host = RoutingCounts.Read(counts, assigned, _tokens, _choices, new()
        {
            ValidTokens = mask?.sum() ?? torch.full([], _tokens, dtype: ScalarType.Int64, device: _device),
            NonFinite = (logits - logits).ne(0).sum(),
            Invalid = proposal.Invalid,
            Misplaced = proposal.Misplaced,
            MostKept = proposal.Chosen is null ? null : kept!.sum(1).amax([0]),
            Places = Told(made, places)?.amax([0]).to(ScalarType.Int64),
        });
        return (kept, counts.narrow(0, 0, _experts), host);
    }

    /// <summary>Looks at the counts of what must not be.</summary>
    private void Refuse(RoutingCounts host)
    {
        if (host.Invalid > 0)
            throw new ArgumentException($"Expected token ids and forced experts in range, no expert twice in a row, got {host.Invalid} entries that are not.");
        if (host.Misplaced > 0)
            throw new InvalidOperationException($"{router.GetType().Name} must choose among the experts 0 to {_experts - 1}, but {host.Misplaced} of {_tokens} × {_choices} choices (tokens × K) are none of them.");
        if (host.NonFinite > 0)
            throw new NonFiniteRoutingException(host.NonFinite, _tokens, _experts, router);
    }

    private Tensor Weights(Tensor kept)
    {
        var weights = proposal.Weights * kept;
        if (!_limited || !router.Capacity!.RenormalizeKept)
            return weights;

        // Scaled to the sum that the weights had.
        var before = Meant() is { } meant ? proposal.Weights * meant : proposal.Weights;
        return weights * (before.sum(dim: 1, keepdim: true) / weights.sum(dim: 1, keepdim: true).clamp_min(1e-20));
    }

    /// <summary>Which assignments are meant, [T, K] or [T, 1]; null when all are.</summary>
    private Tensor? Meant()
    {
        var real = mask?.unsqueeze(-1);
        return real is null || proposal.Chosen is null ? proposal.Chosen ?? real : real.bitwise_and(proposal.Chosen);
    }

    /// <summary>The experts, with E for "no expert": it sorts behind all others and is counted apart.</summary>
    private Tensor Made(Tensor? meant) => meant is null ? proposal.Indices : proposal.Indices.masked_fill(meant.bitwise_not(), _experts);

    private Tensor? Places() => _limited ? Capacity.Places(RealTokensByGroup(), _choices, _experts, router.Capacity!, router.training) : null;

    private Tensor? Told(Tensor made, Tensor? places) => Capacity.Told(made, places, Groups, _experts, router.Capacity, router.training);

    /// <summary>Real tokens of each group, [G].</summary>
    private Tensor RealTokensByGroup() =>
        mask?.reshape(Groups, -1).sum(1) ?? torch.full([Groups], _tokens / Groups, dtype: ScalarType.Int64, device: _device);
}
