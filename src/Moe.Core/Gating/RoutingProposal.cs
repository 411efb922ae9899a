using static TorchSharp.torch;

namespace Moe.Core;

/// <summary>What a router wants, before padding and full experts are left out. Made by <see cref="Router.Propose"/>.</summary>
/// <remarks>Its tensors belong to the router's call; the base class takes what it needs. Equality is by reference.</remarks>
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

    /// <summary>The number of choices that were no expert, a scalar, Int64; null where that is still to be found out, or needs no finding out.</summary>
    internal Tensor? Misplaced { get; init; }

    /// <summary>Refuses what a router of the user's own got wrong, before it reaches others.</summary>
    internal void Check(long tokens, int experts, string router)
    {
        Require(Logits, nameof(Logits), [tokens, experts]);
        Require(Scores, nameof(Scores), [tokens, experts]);
        var choices = Indices is { IsInvalid: false } && Indices.dim() == 2 ? Indices.size(1) : 0;
        Require(Indices, nameof(Indices), [tokens, Math.Max(choices, 1)]);
        Require(Weights, nameof(Weights), [tokens, choices]);
        if (Chosen is not null)
            Require(Chosen, nameof(Chosen), [tokens, choices]);
        if (Perturbed is not null)
            Require(Perturbed, nameof(Perturbed), [tokens, experts]);
        if (Indices.dtype != ScalarType.Int64)
            throw new InvalidOperationException($"{router} must propose Indices of type Int64, but gave {Indices.dtype}.");
        if (Chosen is not null && Chosen.dtype != ScalarType.Bool)
            throw new InvalidOperationException($"{router} must propose Chosen of type Bool, but gave {Chosen.dtype}.");

        void Require(Tensor tensor, string name, ReadOnlySpan<long> shape)
        {
            if (tensor is { IsInvalid: false } && tensor.dim() == 2 && tensor.size(0) == shape[0] && tensor.size(1) == shape[1])
                return;
            var got = tensor is null ? "null" : tensor.IsInvalid ? "a disposed tensor" : TensorGuard.Shape(tensor);
            throw new InvalidOperationException($"{router} must propose {name} of shape [{shape[0]}, {shape[1]}], but gave {got}.");
        }
    }
}
