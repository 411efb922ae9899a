using static TorchSharp.torch;

namespace Moe.Core;

/// <summary>
/// Whether a gate is well, in two numbers: logits that grow without end saturate its softmax and overflow in narrow types; a margin near 0 says that it
/// cannot tell its experts apart.
/// </summary>
/// <remarks>Plain numbers with value equality. Those of several batches of one layer add up with <see cref="Combine"/>.</remarks>
public sealed record GateHealth
{
    /// <summary>The real tokens that the means are over.</summary>
    public required long Tokens { get; init; }

    /// <summary>The mean over real tokens of ‖zₜ‖₂, the Euclidean norm of a token's raw logits (before noise and temperature) over all E experts; 0 without tokens.</summary>
    public required double LogitNorm { get; init; }

    /// <summary>
    /// The mean over real tokens of the largest minus the second largest of a token's <see cref="RoutingDecision.Scores"/> (noise and temperature included);
    /// the score itself where there is one expert, 0 without tokens.
    /// </summary>
    public required double WeightMargin { get; init; }

    /// <summary>The health of one decision.</summary>
    /// <param name="decision">What a router decided. Not disposed, and not needed afterwards.</param>
    /// <returns>Its numbers. Reads them from the device; where several are wanted, <see cref="Measure"/> and read once.</returns>
    public static GateHealth From(RoutingDecision decision)
    {
        using var measured = Measure(decision);
        using var onHost = measured.cpu();
        var numbers = onHost.data<double>();
        return new GateHealth { Tokens = decision.ValidTokens, LogitNorm = numbers[0], WeightMargin = numbers[1] };
    }

    /// <summary><see cref="LogitNorm"/> and <see cref="WeightMargin"/> of one decision where it lies: nothing is read from the device.</summary>
    /// <param name="decision">What a router decided. Not disposed.</param>
    /// <returns>[2], Float64, without gradients; the caller owns it.</returns>
    /// <exception cref="ObjectDisposedException">The decision has been disposed.</exception>
    public static Tensor Measure(RoutingDecision decision)
    {
        ArgumentNullException.ThrowIfNull(decision);
        TensorGuard.Alive(decision.Logits, nameof(decision));
        using var noGrad = no_grad();
        using var scope = NewDisposeScope();
        var norms = decision.Logits.to(ScalarType.Float64).square().sum(dim: 1).sqrt();

        // Two maxima: sorting, as topk does, costs more than routing itself where there are many experts. No score is below 0.
        var (best, place) = decision.Scores.max(1, keepdim: true);
        var second = decision.Scores.scatter(1, place, zeros_like(best)).amax([1]);
        var perToken = stack([norms, best.squeeze(1).to(ScalarType.Float64) - second.to(ScalarType.Float64)]);
        if (decision.Mask is { } mask)
            perToken = perToken * mask;
        return scope.MoveToOuter(perToken.sum(dim: 1) / Math.Max(decision.ValidTokens, 1));
    }

    /// <summary>The health of several batches of one layer together: means over the tokens of all.</summary>
    /// <param name="parts">At least one.</param>
    /// <returns>Their means, each weighing as many tokens as it has.</returns>
    /// <exception cref="ArgumentException">There is none.</exception>
    public static GateHealth Combine(IEnumerable<GateHealth> parts)
    {
        ArgumentNullException.ThrowIfNull(parts);
        var all = parts.ToArray();
        if (all.Length == 0)
            throw new ArgumentException("Expected at least 1 part, got 0.", nameof(parts));
        var tokens = all.Sum(part => part.Tokens);
        return new GateHealth
        {
            Tokens = tokens,
            LogitNorm = Mean(part => part.LogitNorm),
            WeightMargin = Mean(part => part.WeightMargin),
        };

        double Mean(Func<GateHealth, double> value) => tokens == 0 ? 0 : all.Sum(part => value(part) * part.Tokens) / tokens;
    }
}
