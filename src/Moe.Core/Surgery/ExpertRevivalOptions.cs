namespace Moe.Core;

/// <summary>How much a revived expert differs from the one it is copied from.</summary>
/// <remarks>Immutable data with value equality; validated when it is used.</remarks>
public sealed record ExpertRevivalOptions
{
    /// <summary>The deviation of the Gaussian noise on each parameter of the copy, as a share of the parameter's root mean square: two experts that are the same to the bit would get the same gradients from the same tokens for ever.</summary>
    /// <value>The default is 0.01. Range: 0 (an exact copy) or more, finite.</value>
    public double ExpertNoise { get; init; } = 0.01;

    /// <summary>
    /// The deviation of the Gaussian noise on the copy's row of the gate's <c>weight</c>, as a share of that matrix' root mean square. Tokens on one side of the difference
    /// prefer the one expert, those on the other side the other. For K = 1 a hint will do. With a larger K the two are chosen together, and push
    /// others out, wherever the difference is smaller than the lead of the copied expert over the next one: make it larger where leads are large.
    /// </summary>
    /// <value>The default is 0.01. Range: 0 (an exact copy, told apart by nothing) or more, finite.</value>
    public double GateNoise { get; init; } = 0.01;

    internal void Validate(string parameterName) =>
        new OptionFailures(nameof(ExpertRevivalOptions))
            .Require(ExpertNoise >= 0 && double.IsFinite(ExpertNoise), $"ExpertNoise ({ExpertNoise}) must be 0 or more, and finite.")
            .Require(GateNoise >= 0 && double.IsFinite(GateNoise), $"GateNoise ({GateNoise}) must be 0 or more, and finite.")
            .ThrowIfAny(parameterName);
}
