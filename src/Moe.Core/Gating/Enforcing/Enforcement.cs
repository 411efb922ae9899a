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
        var meant = Meant(mask?.unsqueeze(-1), proposal.Chosen);

        // E stands for "no expert": it sorts behind all others and is counted apart.
        var made = meant is null ? proposal.Indices : proposal.Indices.masked_fill(meant.bitwise_not(), _experts);
        var places = _limited ? Capacity.Places(RealTokensByGroup(), _choices, _experts, router.Capacity!, router.training) : null;
        var kept = places is not null ? Capacity.Keep(made, places, _experts, Capacity.Order(proposal, made, router))
            : meant is not null ? made.lt(_experts)
            : torch.ones_like(made, dtype: ScalarType.Bool);
        var assigned = Capacity.Count(made, _experts);
        var counts = _limited ? Capacity.Count(made.masked_fill(kept.bitwise_not(), _experts), _experts) : assigned;

        var host = Read(made, kept, counts, assigned, places);
        return new RoutingDecision(proposal, Weights(meant, kept), mask, kept, counts.narrow(0, 0, _experts), host)
        {
            SequenceLength = sequenceLength,
            WeightTarget = router.WeightTarget,
            DroppedTokens = _limited ? router.Capacity!.Dropped : DroppedTokens.Zero,
            Capacity = host.Places,
        };
    }

    /// <summary>Reads the counts, and looks at those of what must not be.</summary>
    private RoutingCounts Read(Tensor made, Tensor kept, Tensor counts, Tensor assigned, Tensor? places)
    {
        // What is not finite in the logits is not finite after noise and temperature either, which may spoil them on their own.
        // x - x is 0 unless x is NaN or infinite; isfinite says the same, but not on the meta device.
        var logits = proposal.Perturbed ?? proposal.Logits;
        var host = RoutingCounts.Read(counts, assigned, _tokens, _choices, new()
        {
            ValidTokens = mask?.sum() ?? torch.full([], _tokens, dtype: ScalarType.Int64, device: _device),
            NonFinite = (logits - logits).ne(0).sum(),
            Invalid = proposal.Invalid,
            Misplaced = proposal.Misplaced,
            MostKept = proposal.Chosen is null ? null : kept.sum(1).amax([0]),
            Places = Capacity.Told(made, places, Groups, _experts, router.Capacity, router.training)?.amax([0]).to(ScalarType.Int64),
        });
        if (host.Invalid > 0)
            throw new ArgumentException($"Expected token ids and forced experts in range, no expert twice in a row, got {host.Invalid} entries that are not.");
        if (host.Misplaced > 0)
            throw new InvalidOperationException($"{router.GetType().Name} must choose among the experts 0 to {_experts - 1}, but {host.Misplaced} of {_tokens} × {_choices} choices (tokens × K) are none of them.");
        if (host.NonFinite > 0)
            throw new NonFiniteRoutingException(host.NonFinite, _tokens, _experts, router);
        return host;
    }

    private Tensor Weights(Tensor? meant, Tensor kept)
    {
        if (!_limited && meant is null)
            return proposal.Weights;
        var weights = proposal.Weights * kept;
        if (!_limited || !router.Capacity!.RenormalizeKept)
            return weights;

        // Scaled to the sum that the weights had.
        var before = meant is null ? proposal.Weights : proposal.Weights * meant;
        return weights * (before.sum(dim: 1, keepdim: true) / weights.sum(dim: 1, keepdim: true).clamp_min(1e-20));
    }

    /// <summary>Real tokens of each group, [G].</summary>
    private Tensor RealTokensByGroup() =>
        mask?.reshape(Groups, -1).sum(1) ?? torch.full([Groups], _tokens / Groups, dtype: ScalarType.Int64, device: _device);

    /// <summary>Which assignments are meant; null when all are.</summary>
    private static Tensor? Meant(Tensor? real, Tensor? chosen) => real is null || chosen is null ? chosen ?? real : real.bitwise_and(chosen);
}
