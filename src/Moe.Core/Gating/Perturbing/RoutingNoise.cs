using static TorchSharp.torch;

namespace Moe.Core;

/// <summary>The second step of a router: perturbs the logits while training, so that experts other than the current best are tried.</summary>
/// <remarks>Immutable data with value equality. In evaluation mode there is no noise and nothing is drawn.</remarks>
public abstract record RoutingNoise
{
    private protected RoutingNoise()
    {
    }

    /// <summary>Whether a gate needs the parameter <c>noise_weight</c>.</summary>
    internal virtual bool IsLearned => false;

    internal virtual void Check(OptionFailures failures)
    {
    }

    /// <summary>The noise to be added to logits [T, E], and its standard deviation where it is Gaussian.</summary>
    internal abstract (Tensor Noise, Tensor? Deviation) Draw(GatingNetwork gate, Tensor logits, Tensor tokens);
}

/// <summary>
/// Gaussian noise whose scale is learned for each token and expert (Shazeer et al. 2017, eq. 4): N(0, 1) · (softplus(x · W_noise) + floor).
/// </summary>
/// <remarks>Parameter: <c>noise_weight</c> [E, D], zero at first.</remarks>
public sealed record LearnedNoise : RoutingNoise
{
    /// <summary>Added to the learned scale, so that noise never dies (0.01 in FastMoE and davidmrau/mixture-of-experts).</summary>
    /// <value>The default is 0, as in the paper. Range: 0 or more, finite.</value>
    public double Floor { get; init; }

    internal override bool IsLearned => true;

    internal override void Check(OptionFailures failures) =>
        failures.Require(Floor >= 0 && double.IsFinite(Floor), $"Noise.Floor ({Floor}) must be 0 or more, and finite.");

    internal override (Tensor Noise, Tensor? Deviation) Draw(GatingNetwork gate, Tensor logits, Tensor tokens)
    {
        var deviation = nn.functional.softplus(nn.functional.linear(tokens, GatingNetwork.In(gate.NoiseWeight!, tokens.dtype)));
        if (Floor > 0)
            deviation += Floor;
        var noise = gate.Draws.Normal(logits) * deviation;
        return gate.NoiseScale == 1 ? (noise, deviation) : (noise * gate.NoiseScale, deviation * gate.NoiseScale);
    }
}

/// <summary>Gaussian noise of one scale, N(0, 1) · deviation (V-MoE, Riquelme et al. 2021, section 2.2, and Tutel: deviation = 1/E).</summary>
public sealed record GaussianNoise : RoutingNoise
{
    /// <summary>The standard deviation.</summary>
    /// <value>The default is null: 1/E. Range: above 0, finite.</value>
    public double? Deviation { get; init; }

    internal override void Check(OptionFailures failures) =>
        failures.Require(Deviation is not { } d || (d > 0 && double.IsFinite(d)), $"Noise.Deviation ({Deviation}) must be positive and finite, or null.");

    internal override (Tensor Noise, Tensor? Deviation) Draw(GatingNetwork gate, Tensor logits, Tensor tokens)
    {
        var deviation = (Deviation ?? 1.0 / gate.ExpertCount) * gate.NoiseScale;
        return (gate.Draws.Normal(logits) * deviation, full_like(logits, deviation).detach());
    }
}

/// <summary>Gumbel noise times a scale: with scale 1, the best expert is a draw from the softmax, and the best k are one without replacement (Kool et al. 2019).</summary>
public sealed record GumbelNoise : RoutingNoise
{
    /// <summary>The factor.</summary>
    /// <value>The default is 1. Range: above 0, finite.</value>
    public double Scale { get; init; } = 1;

    internal override void Check(OptionFailures failures) =>
        failures.Require(Scale > 0 && double.IsFinite(Scale), $"Noise.Scale ({Scale}) must be positive and finite.");

    internal override (Tensor Noise, Tensor? Deviation) Draw(GatingNetwork gate, Tensor logits, Tensor tokens) =>
        (gate.Draws.Gumbel(logits) * (Scale * gate.NoiseScale), null);
}
