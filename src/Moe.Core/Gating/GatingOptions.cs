namespace Moe.Core;

/// <summary>
/// What a <see cref="GatingNetwork"/> is built from, step by step: score, perturb, select, weigh, enforce capacity.
/// <see cref="PublishedGates"/> has the settings of the systems that published them.
/// </summary>
/// <remarks>Immutable data with value equality; validated as a whole when a gate is built from it.</remarks>
public sealed record GatingOptions
{
    /// <summary>D, the width of a token.</summary>
    /// <value>Required. Range: at least 1.</value>
    public required long InputWidth { get; init; }

    /// <summary>E, the number of experts to choose from, null experts included.</summary>
    /// <value>Required. Range: at least 1.</value>
    public required int ExpertCount { get; init; }

    /// <summary>K, the experts each token is sent to. <see cref="ExpertCount"/> gives dense (soft) routing: every expert, weighted.</summary>
    /// <value>The default is 2. Range: 1 to <see cref="ExpertCount"/>. Schedules may change it later (<see cref="GatingNetwork.TopK"/>).</value>
    public int TopK { get; init; } = 2;

    /// <summary>Score: how tokens become logits.</summary>
    /// <value>The default is <see cref="Projection.Linear"/>.</value>
    public Projection Projection { get; init; } = Projection.Linear;

    /// <summary>Score: how logits become scores.</summary>
    /// <value>The default is <see cref="ScoreFunction.Softmax"/>.</value>
    public ScoreFunction Score { get; init; } = ScoreFunction.Softmax;

    /// <summary>Score: whether the router has a bias, one number an expert, that is part of the logits.</summary>
    /// <value>The default is false.</value>
    public bool Bias { get; init; }

    /// <summary>Score: the divisor of the logits before every score that a new gate starts with: below 1 hardens, above 1 softens.</summary>
    /// <value>The default is 1. Range: above 0, finite.</value>
    public double Temperature { get; init; } = 1;

    /// <summary>
    /// Perturb: ε of the jitter x · U(1 - ε, 1 + ε) on what the router sees while training (Switch, Fedus et al. 2021, section 2.4). The experts see x.
    /// </summary>
    /// <value>The default is 0: none. Range: 0 to 1.</value>
    public double InputJitter { get; init; }

    /// <summary>Perturb: noise on the logits while training.</summary>
    /// <value>The default is null: none.</value>
    public RoutingNoise? Noise { get; init; }

    /// <summary>Select: the rule.</summary>
    /// <value>The default is <see cref="SelectionRule.TopK"/>.</value>
    public SelectionRule Selection { get; init; } = SelectionRule.TopK;

    /// <summary>
    /// Select: whether experts are chosen by score + bias, with a bias that no gradient moves but the balancing of the trainer (Wang et al. 2024,
    /// "Auxiliary-Loss-Free Load Balancing", eq. 3). The bias is never part of the weights.
    /// </summary>
    /// <value>The default is false.</value>
    public bool SelectionBias { get; init; }

    /// <summary>
    /// Select: the last so many experts are null experts (AdaMoE, Zeng et al. 2024): chosen like others, they answer nothing and take no part in normalised weights, so
    /// that a token can make do with fewer experts. The layer must have <see cref="ZeroExpert"/>s there.
    /// </summary>
    /// <value>The default is 0. Range: 0 to <see cref="ExpertCount"/> - 1.</value>
    public int NullExperts { get; init; }

    /// <summary>Weigh: whether a softmax is taken over the chosen logits or over all. Has an effect with <see cref="ScoreFunction.Softmax"/> only.</summary>
    /// <remarks>For K = 1, <see cref="SoftmaxOrder.AfterSelection"/> makes every weight 1, and the gate learns nothing from the task.</remarks>
    /// <value>The default is <see cref="SoftmaxOrder.AfterSelection"/>. The two agree for dense routing.</value>
    public SoftmaxOrder Softmax { get; init; } = SoftmaxOrder.AfterSelection;

    /// <summary>Weigh: whether the chosen scores are divided by their norm. Has no effect on a softmax taken after selection, which sums to 1 anyway.</summary>
    /// <value>The default is false.</value>
    public bool Renormalize { get; init; }

    /// <summary>Weigh: p of that norm; 1 is the sum.</summary>
    /// <value>The default is 1. Range: 1 or more, finite; 1 without <see cref="Renormalize"/>.</value>
    public double NormPower { get; init; } = 1;

    /// <summary>Weigh: what is added to that norm.</summary>
    /// <value>The default is 1e-20, as in DeepSeek-V3. Range: 0 or more, finite.</value>
    public double NormEpsilon { get; init; } = 1e-20;

    /// <summary>Weigh: a factor on the weights in the end (<c>routed_scaling_factor</c> of DeepSeek).</summary>
    /// <value>The default is 1. Range: above 0, finite.</value>
    public double ScalingFactor { get; init; } = 1;

    /// <summary>Weigh: what the weights are multiplied with.</summary>
    /// <value>The default is <see cref="WeightTarget.Output"/>.</value>
    public WeightTarget WeightTarget { get; init; } = WeightTarget.Output;

    /// <summary>
    /// Weigh: whether gradients pass the choice straight through: forward the sparse weights, backward as if they were the scores of
    /// all experts (Bengio et al. 2013, section 3.1), so that experts that were not chosen move too.
    /// </summary>
    /// <value>The default is false.</value>
    public bool StraightThrough { get; init; }

    /// <summary>Enforce: how many assignments an expert takes.</summary>
    /// <value>The default is null: as many as are made.</value>
    public CapacityOptions? Capacity { get; init; }

    internal void Validate(string parameterName)
    {
        var failures = new OptionFailures(nameof(GatingOptions))
            .Require(InputWidth >= 1, $"InputWidth ({InputWidth}) must be at least 1.")
            .Require(ExpertCount >= 1, $"ExpertCount ({ExpertCount}) must be at least 1.")
            .Require(TopK >= 1 && TopK <= ExpertCount, $"TopK ({TopK}) must lie between 1 and ExpertCount ({ExpertCount}).")
            .Require(Projection is not null, "Projection (null) must be one.")
            .Require(Score is not null, "Score (null) must be a function.")
            .Require(IsPositive(Temperature), $"Temperature ({Temperature}) must be positive and finite.")
            .Require(InputJitter is >= 0 and <= 1, $"InputJitter ({InputJitter}) must lie between 0 and 1.")
            .Require(Selection is not null, "Selection (null) must be a rule.")
            .Require(NullExperts >= 0 && (NullExperts == 0 || NullExperts < ExpertCount), $"NullExperts ({NullExperts}) must lie between 0 and ExpertCount ({ExpertCount}) - 1.")
            .Require(Enum.IsDefined(Softmax), $"Softmax ({Softmax}) must be AfterSelection or BeforeSelection.")
            .Require(NormPower >= 1 && double.IsFinite(NormPower), $"NormPower ({NormPower}) must be 1 or more, and finite.")
            .Require(Renormalize || NormPower == 1, $"NormPower ({NormPower}) must be 1 without Renormalize, which it belongs to.")
            .Require(NormEpsilon >= 0 && double.IsFinite(NormEpsilon), $"NormEpsilon ({NormEpsilon}) must be 0 or more, and finite.")
            .Require(IsPositive(ScalingFactor), $"ScalingFactor ({ScalingFactor}) must be positive and finite.")
            .Require(Enum.IsDefined(WeightTarget), $"WeightTarget ({WeightTarget}) must be Output, Input or OutputWithInputGradient.")
            .Require(
                WeightTarget != WeightTarget.Input || Capacity is not { RenormalizeKept: true },
                "Capacity.RenormalizeKept (True) has no place beside WeightTarget (Input): an expert asked about a larger input does not give a larger answer.");
        if (Projection is not null && Score is not null && Selection is not null && ExpertCount >= 1)
        {
            Projection.Check(failures, this);
            Selection.Check(failures, this);
        }
        Noise?.Check(failures);
        Capacity?.Check(failures);
        failures.ThrowIfAny(parameterName);
    }

    private static bool IsPositive(double value) => value > 0 && double.IsFinite(value);
}
