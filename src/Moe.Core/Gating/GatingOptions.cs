namespace Moe.Core;

/// <summary>What a <see cref="GatingNetwork"/> is built from: widths, how many experts a token gets, and how their weights come about.</summary>
/// <remarks>Immutable data with value equality; validated as a whole when a gate is built from it.</remarks>
public sealed record GatingOptions
{
    /// <summary>D, the width of a token.</summary>
    /// <value>Required. Range: at least 1.</value>
    public required long InputWidth { get; init; }

    /// <summary>E, the number of experts to choose from.</summary>
    /// <value>Required. Range: at least 1.</value>
    public required int ExpertCount { get; init; }

    /// <summary>K, the experts each token is sent to. <see cref="ExpertCount"/> gives dense (soft) routing: every expert, weighted.</summary>
    /// <value>The default is 2. Range: 1 to <see cref="ExpertCount"/>.</value>
    public int TopK { get; init; } = 2;

    /// <summary>Whether the softmax is taken over the chosen logits or over all.</summary>
    /// <value>The default is <see cref="SoftmaxOrder.AfterSelection"/>. The two agree for dense routing.</value>
    public SoftmaxOrder Softmax { get; init; } = SoftmaxOrder.AfterSelection;

    /// <summary>Whether the chosen probabilities are divided by their sum. Has an effect with <see cref="SoftmaxOrder.BeforeSelection"/> only.</summary>
    /// <value>The default is false.</value>
    public bool Renormalize { get; init; }

    /// <summary>Whether the router has a bias, one number an expert.</summary>
    /// <value>The default is false.</value>
    public bool Bias { get; init; }

    /// <summary>
    /// Whether the gate perturbs its logits while training, by Gaussian noise whose scale it learns for each token and expert
    /// (Shazeer et al. 2017, eq. 4): logits + N(0, 1) · softplus(x · W_noise).
    /// </summary>
    /// <value>The default is false. There is no noise in evaluation mode.</value>
    public bool NoisyGating { get; init; }

    /// <summary>
    /// Whether gradients pass the choice straight through: forward the sparse weights, backward as if they were the softmax over
    /// all experts (Bengio et al. 2013, section 3.1), so that experts that were not chosen move too.
    /// </summary>
    /// <value>The default is false.</value>
    public bool StraightThrough { get; init; }

    /// <summary>The divisor of the logits before every softmax that a new gate starts with: below 1 hardens, above 1 softens.</summary>
    /// <value>The default is 1. Range: above 0, finite.</value>
    public double Temperature { get; init; } = 1;

    /// <summary>
    /// While training, each expert takes at most C = ⌈factor · K · tokens / E⌉ assignments and drops the rest; first choices come
    /// before second choices, earlier tokens before later (GShard, Lepikhin et al. 2020, algorithm 1).
    /// </summary>
    /// <value>The default is null: nothing is dropped. Range: above 0, finite.</value>
    public double? CapacityFactor { get; init; }

    /// <summary>As <see cref="CapacityFactor"/>, in evaluation mode.</summary>
    /// <value>The default is null: nothing is dropped. Range: above 0, finite.</value>
    public double? EvaluationCapacityFactor { get; init; }

    internal void Validate(string parameterName) =>
        new OptionFailures(nameof(GatingOptions))
            .Require(InputWidth >= 1, $"InputWidth ({InputWidth}) must be at least 1.")
            .Require(ExpertCount >= 1, $"ExpertCount ({ExpertCount}) must be at least 1.")
            .Require(TopK >= 1 && TopK <= ExpertCount, $"TopK ({TopK}) must lie between 1 and ExpertCount ({ExpertCount}).")
            .Require(Enum.IsDefined(Softmax), $"Softmax ({Softmax}) must be AfterSelection or BeforeSelection.")
            .Require(IsPositive(Temperature), $"Temperature ({Temperature}) must be positive and finite.")
            .Require(CapacityFactor is not { } c || IsPositive(c), $"CapacityFactor ({CapacityFactor}) must be positive and finite, or null.")
            .Require(
                EvaluationCapacityFactor is not { } e || IsPositive(e),
                $"EvaluationCapacityFactor ({EvaluationCapacityFactor}) must be positive and finite, or null.")
            .ThrowIfAny(parameterName);

    private static bool IsPositive(double value) => value > 0 && double.IsFinite(value);
}
