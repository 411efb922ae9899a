namespace Moe.Core;

/// <summary>What a dense feed-forward block becomes: E experts of 1/G of its width, the gate, and what tells the copies apart.</summary>
/// <remarks>Immutable data with value equality; validated as a whole when it is used.</remarks>
public sealed record UpcyclingOptions
{
    /// <summary>The gate: E, K, and how to choose. Its input width is that of the block.</summary>
    /// <value>Required. E is a multiple of <see cref="Granularity"/>; no null experts.</value>
    public required GatingOptions Gate { get; init; }

    /// <summary>
    /// G: the hidden width is cut into so many slices, and E/G experts hold each. Experts j·G to j·G + G - 1 hold slice 0 to G - 1 and share a row of the gate at first, so that a token is sent to all slices of the block where K is a multiple of G.
    /// </summary>
    /// <value>The default is 1: whole copies. Range: a divisor of E and of the hidden width.</value>
    public int Granularity { get; init; } = 1;

    /// <summary>Which weights are multiplied, so that slices and weights add up to the block.</summary>
    /// <value>The default is <see cref="UpcyclingScaling.Output"/>.</value>
    public UpcyclingScaling Scaling { get; init; } = UpcyclingScaling.Output;

    /// <summary>
    /// The share of each expert's hidden units, drawn for each expert, that begin anew: their weights are drawn from the normal distribution with mean and deviation of the weights that they replace, matrix by matrix (Drop-Upcycling, Nakamura et al. 2025,
    /// section 3, who recommend 0.5).
    /// </summary>
    /// <value>The default is 0. Range: 0 to 1; rounded down to whole units.</value>
    public double ReinitializedShare { get; init; }

    /// <summary>The deviation of Gaussian noise on the experts' matrices, as a share of the deviation of each matrix.</summary>
    /// <value>The default is 0: none. Range: 0 or more, finite.</value>
    public double Noise { get; init; }

    /// <summary>The share of the entries, drawn one by one, that get that noise. Has an effect with <see cref="Noise"/> only.</summary>
    /// <value>The default is 1. Range: 0 to 1.</value>
    public double NoisyShare { get; init; } = 1;

    internal void Validate(string parameterName)
    {
        var experts = Gate?.ExpertCount ?? 0;
        new OptionFailures(nameof(UpcyclingOptions))
            .Require(Gate is not null, "Gate (null) must be given.")
            .Require(Granularity >= 1 && experts % Math.Max(Granularity, 1) == 0, $"Granularity ({Granularity}) must be at least 1 and divide Gate.ExpertCount ({experts}).")
            .Require(Gate is not { NullExperts: > 0 }, $"Gate.NullExperts ({Gate?.NullExperts}) must be 0: null experts hold no part of a block.")
            .Require(
                Granularity == 1 || Gate is not ({ Selection: TableSelection } or { Projection: TwoLevelProjection }),
                $"Granularity ({Granularity}) must be 1 for a gate with a table or two levels, whose rows alone do not send a token to all slices.")
            .Require(Enum.IsDefined(Scaling), $"Scaling ({Scaling}) must be Output, AllWeights or None.")
            .Require(
                Scaling == UpcyclingScaling.None || Gate is null || WeightSum.Of(Gate) is not null,
                $"Scaling ({Scaling}) must be None for this gate: what its weights sum to is known for softmax, sigmoid and sqrt-softplus scores, weights on the output, and without SparseMixer.")
            .Require(ReinitializedShare is >= 0 and <= 1, $"ReinitializedShare ({ReinitializedShare}) must lie between 0 and 1.")
            .Require(Noise >= 0 && double.IsFinite(Noise), $"Noise ({Noise}) must be 0 or more, and finite.")
            .Require(NoisyShare is >= 0 and <= 1, $"NoisyShare ({NoisyShare}) must lie between 0 and 1.")
            .ThrowIfAny(parameterName);
        Gate!.Validate(parameterName);
    }
}
