namespace Moe.Core;

/// <summary>How experts that are added begin.</summary>
/// <remarks>Immutable data with value equality; validated when it is used.</remarks>
public sealed record ExpertAdditionOptions
{
    /// <summary>Copies: the deviation of the Gaussian noise on each parameter, as a share of the parameter's root mean square: two experts that are the same to the bit would get the same gradients from the same tokens for ever.</summary>
    /// <value>The default is 0.01. Range: 0 (an exact copy) or more, finite.</value>
    public double ExpertNoise { get; init; } = 0.01;

    /// <summary>Copies: the deviation of the Gaussian noise on the copy's row of the gate's <c>weight</c>, as a share of that matrix' root mean square (see <see cref="ExpertRevivalOptions.GateNoise"/>).</summary>
    /// <value>The default is 0.01. Range: 0 (an exact copy, told apart by nothing) or more, finite.</value>
    public double GateNoise { get; init; } = 0.01;

    /// <summary>
    /// Copies: whether a source and its copies share its probability: ln n is taken from the router's bias of each of the n, so that without noise their probabilities sum to what the source had. A gate without a bias gets one. For softmax scores only. With dense
    /// routing, and K raised with the number of experts, the output then stays the same.
    /// </summary>
    /// <value>The default is false: each has the logit of the source.</value>
    public bool SplitShare { get; init; }

    /// <summary>
    /// Fresh experts: what they begin with as selection bias, or as the router's bias where there is no selection bias; a gate with neither gets a bias. The lower, the longer it takes until they are chosen.
    /// </summary>
    /// <value>The default is null: 1 below the lowest selection bias, which no softmax or sigmoid score makes up for; or 10 below the lowest bias of the router, a factor of e⁻¹⁰ on exp(logit). Range: finite.</value>
    public double? Start { get; init; }

    internal void Validate(string parameterName) =>
        new OptionFailures(nameof(ExpertAdditionOptions))
            .Require(ExpertNoise >= 0 && double.IsFinite(ExpertNoise), $"ExpertNoise ({ExpertNoise}) must be 0 or more, and finite.")
            .Require(GateNoise >= 0 && double.IsFinite(GateNoise), $"GateNoise ({GateNoise}) must be 0 or more, and finite.")
            .Require(Start is not { } start || double.IsFinite(start), $"Start ({Start}) must be finite, or null.")
            .ThrowIfAny(parameterName);
}
