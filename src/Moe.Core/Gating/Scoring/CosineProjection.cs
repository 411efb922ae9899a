using static TorchSharp.torch;

namespace Moe.Core;

/// <summary>
/// zᵢ = cos(P · x, wᵢ) / τ with a learned temperature τ: how long a token's vector is does not matter, and logits cannot run away
/// (X-MoE, Chi et al. 2022, eq. 4-5).
/// </summary>
/// <remarks>
/// Parameters: <c>projection</c> [W, D], <c>weight</c> [E, W], <c>log_scale</c> [1], the logarithm of 1/τ, which counts up to ln 100 (Tutel's bound).
/// </remarks>
public sealed record CosineProjection : Projection
{
    /// <summary>W, the width in which tokens and experts are compared.</summary>
    /// <value>The default is 256, as in Tutel. Range: at least 1.</value>
    public long Width { get; init; } = 256;

    /// <summary>τ at the start.</summary>
    /// <value>The default is 0.5, as in Tutel. Range: 0.01 or more, finite.</value>
    public double InitialTemperature { get; init; } = 0.5;

    internal override void Check(OptionFailures failures, GatingOptions options) => failures
        .Require(Width >= 1, $"Projection.Width ({Width}) must be at least 1.")
        .Require(InitialTemperature >= 0.01 && double.IsFinite(InitialTemperature), $"Projection.InitialTemperature ({InitialTemperature}) must be 0.01 or more, and finite.")
        .Require(!options.Bias, $"Bias ({options.Bias}) has no place beside a cosine.");

    internal override Tensor Logits(GatingNetwork gate, Tensor tokens)
    {
        var type = tokens.dtype;
        var projected = nn.functional.linear(tokens, GatingNetwork.In(gate.ProjectionWeight!, type));
        var scale = GatingNetwork.In(gate.LogScale!, type).clamp_max(Math.Log(100)).exp();
        return nn.functional.linear(Unit(projected), Unit(GatingNetwork.In(gate.Weight, type))) * scale;
    }

    private static Tensor Unit(Tensor rows) => nn.functional.normalize(rows, p: 2, dim: 1, eps: 1e-12);
}
