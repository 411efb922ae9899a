namespace Moe.Core;

/// <summary>
/// The rule of ReMoE: λ ← λ · α^sign((1 - k / E) - S), where S is the share of zeros among the scores, so that k of E experts are asked on average (Wang et al. 2024,
/// eq. 7). To be started at <see cref="InitialFactor"/>.
/// </summary>
/// <remarks>S = 1 - Σ assignments / Σ (tokens · E) over all layers. The factor stays as it is on the target, and when nothing was routed.</remarks>
public sealed class SparsityRule : LambdaRule
{
    /// <summary>Builds the rule.</summary>
    /// <param name="topK">k, the experts a token on average that are aimed at. Range: above 0, finite.</param>
    /// <param name="rate">α, 1.2 in the paper. Range: above 1, finite.</param>
    /// <exception cref="ArgumentException">A number is out of range; the message lists all that are.</exception>
    public SparsityRule(double topK, double rate = 1.2)
    {
        new OptionFailures(nameof(SparsityRule))
            .Require(topK > 0 && double.IsFinite(topK), $"topK ({topK}) must be positive and finite.")
            .Require(rate > 1 && double.IsFinite(rate), $"rate ({rate}) must be above 1, and finite.")
            .ThrowIfAny(nameof(topK));
        TopK = topK;
        Rate = rate;
    }

    /// <summary>λ₀, 1e-8 as in the paper.</summary>
    public static double InitialFactor => 1e-8;

    /// <summary>k.</summary>
    public double TopK { get; }

    /// <summary>α.</summary>
    public double Rate { get; }

    /// <inheritdoc/>
    /// <exception cref="ArgumentOutOfRangeException">The factor is negative or not finite.</exception>
    public override double Next(double factor, IReadOnlyList<RoutingReport> step)
    {
        ArgumentNullException.ThrowIfNull(step);
        if (!(factor >= 0 && double.IsFinite(factor)))
            throw new ArgumentOutOfRangeException(nameof(factor), factor, $"The factor ({factor}) must be 0 or more, and finite.");

        // (1 - k/E) - S has the sign of assignments - k · tokens, which needs no rounding.
        var excess = step.Sum(layer => layer.Assigned.Sum()) - TopK * step.Sum(layer => layer.Tokens);
        return Math.Min(factor * Math.Pow(Rate, Math.Sign(excess)), double.MaxValue);
    }
}
