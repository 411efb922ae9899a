using TorchSharp;
using static TorchSharp.torch;

namespace Moe.Core;

/// <summary>What a router wants, before padding and full experts are left out. Made by <see cref="Router.Propose"/>.</summary>
/// <remarks>
/// Tensors made within the call belong to the decision from then on. Others, such as parameters or a table that the router keeps, stay the router's: the decision gets an alias, which shares
/// their numbers, and ends without them. Equality is by reference.
/// </remarks>
public sealed class RoutingProposal
{
    /// <summary>The router's raw output, [T, E], Float32 or Float64; not finite is refused.</summary>
    public required Tensor Logits { get; init; }

    /// <summary>How well each expert suits each token, [T, E], 0 or more, with gradients.</summary>
    public required Tensor Scores { get; init; }

    /// <summary>Experts, [T, K], Int64, 0 … E-1, best first unless K = E; those that are <see cref="Chosen"/> occur once in a row.</summary>
    public required Tensor Indices { get; init; }

    /// <summary>Their weights, [T, K], with gradients; what is not kept is set to 0 later.</summary>
    public required Tensor Weights { get; init; }

    /// <summary>Which of the indices are meant, [T, K], Bool; null when all are.</summary>
    public Tensor? Chosen { get; init; }

    /// <summary>The logits after noise and temperature, [T, E]; null when they are the raw ones.</summary>
    public Tensor? Perturbed { get; init; }

    /// <summary>The standard deviation of the noise on each logit, [T, E]; null without noise.</summary>
    public Tensor? NoiseDeviation { get; init; }

    /// <summary>What the logits were divided by to become <see cref="Perturbed"/>; <see cref="NoiseDeviation"/> is that of the quotient.</summary>
    public double Temperature { get; init; } = 1;

    /// <summary>Whether each row of the scores sums to 1.</summary>
    public bool ScoresSumToOne { get; init; } = true;

    /// <summary>Slots that tokens are mixed into instead of being sent; null for routers that send tokens.</summary>
    public SlotMix? Slots { get; init; }

    /// <summary>The number of entries that the caller gave out of range, a scalar, Int64; null when there were none to check.</summary>
    internal Tensor? Invalid { get; init; }

    /// <summary>The number of choices that were no expert, a scalar, Int64; null where that needs no finding out.</summary>
    internal Tensor? Misplaced { get; init; }

    /// <summary>Refuses what a router of the user's own got wrong, before it reaches others.</summary>
    internal void Check(RouterInput input, int experts, string router)
    {
        var (tokens, device) = (input.Tokens.size(0), input.Tokens.device);
        ByExpert(Logits, nameof(Logits));
        ByExpert(Scores, nameof(Scores));
        var choices = Indices is { IsInvalid: false } && Indices.dim() == 2 ? Math.Max(Indices.size(1), 1) : 1;
        TensorGuard.Made(Indices, nameof(Indices), [tokens, choices], device, router, ScalarType.Int64);
        TensorGuard.Made(Weights, nameof(Weights), [tokens, choices], device, router, ScalarType.Float32, ScalarType.Float64);
        if (Chosen is not null)
            TensorGuard.Made(Chosen, nameof(Chosen), [tokens, choices], device, router, ScalarType.Bool);
        if (Perturbed is not null)
            ByExpert(Perturbed, nameof(Perturbed));
        if (NoiseDeviation is not null)
            ByExpert(NoiseDeviation, nameof(NoiseDeviation));
        if (Slots is null)
            return;
        long[] slots = [tokens / input.SequenceLength, input.SequenceLength, (long)experts * Slots.SlotsPerExpert];
        TensorGuard.Made(Slots.Dispatch, nameof(Slots.Dispatch), slots, device, router, ScalarType.Float32, ScalarType.Float64);
        TensorGuard.Made(Slots.Combine, nameof(Slots.Combine), slots, device, router, ScalarType.Float32, ScalarType.Float64);

        void ByExpert(Tensor tensor, string name) =>
            TensorGuard.Made(tensor, name, [tokens, experts], device, router, ScalarType.Float32, ScalarType.Float64);
    }

    /// <summary>
    /// The same in tensors that may end with a decision: an alias of whatever was not made within <paramref name="scope"/>, since the router keeps it.
    /// Experts of a router that is not trusted are brought into range, and those that were not are counted.
    /// </summary>
    internal RoutingProposal Settled(DisposeScope scope, RouterInput input, Router router)
    {
        if (router.IsTrusted && IsWithin(scope))
            return this;
        var (indices, misplaced) = router.IsTrusted ? (Indices, Misplaced) : ExpertRange.Of(Indices, router.ExpertCount, input.Mask);
        return new RoutingProposal
        {
            Logits = Own(Logits),
            Scores = Own(Scores),
            Indices = Own(indices),
            Weights = Own(Weights),
            Chosen = Chosen is null ? null : Own(Chosen),
            Perturbed = Perturbed is null ? null : Own(Perturbed),
            NoiseDeviation = NoiseDeviation is null ? null : Own(NoiseDeviation),
            Temperature = Temperature,
            ScoresSumToOne = ScoresSumToOne,
            Slots = Slots is null ? null : new SlotMix(Own(Slots.Dispatch), Own(Slots.Combine), Slots.SlotsPerExpert),
            Invalid = Invalid,
            Misplaced = misplaced,
        };

        Tensor Own(Tensor tensor) => scope.Contains(tensor) ? tensor : tensor.alias();
    }

    private bool IsWithin(DisposeScope scope)
    {
        return Has(Logits) && Has(Scores) && Has(Indices) && Has(Weights) && Has(Chosen) && Has(Perturbed) && Has(NoiseDeviation) && Has(Slots?.Dispatch) && Has(Slots?.Combine);

        bool Has(Tensor? tensor) => tensor is null || scope.Contains(tensor);
    }
}
