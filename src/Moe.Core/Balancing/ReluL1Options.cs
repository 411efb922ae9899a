namespace Moe.Core;

/// <summary>What a <see cref="ReluL1Loss"/> weighs scores by.</summary>
/// <remarks>Immutable data with value equality; validated when a loss is built from it.</remarks>
public sealed record ReluL1Options
{
    /// <summary>k, the number of experts a token that is aimed at, for the refinement that balances load as well (ReMoE, Wang et al. 2024, eq. 10); null for none.</summary>
    /// <value>The default is null. Range: above 0, finite.</value>
    public double? BalancedTopK { get; init; }

    internal void Validate(string parameterName) => new OptionFailures(nameof(ReluL1Options))
        .Require(BalancedTopK is not { } k || (k > 0 && double.IsFinite(k)), $"BalancedTopK ({BalancedTopK}) must be positive and finite, or null.")
        .ThrowIfAny(parameterName);
}
