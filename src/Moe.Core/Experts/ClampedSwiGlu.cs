using static TorchSharp.torch;

namespace Moe.Core;

/// <summary>
/// SwiGLU whose inputs are bounded: g · σ(slope · g) · (u + offset) with g = min(gate, limit) and u = up clamped to ±limit
/// (gpt-oss, OpenAI 2025). Slope 1 and offset 0 make it SwiGLU with a clamp.
/// </summary>
public sealed record ClampedSwiGlu : GatedUnit
{
    /// <summary>The bound: of the gate from above, of up on both sides. A gate far below 0 is as good as closed anyway.</summary>
    /// <value>The default is 7, the <c>swiglu_limit</c> of gpt-oss. Range: above 0; infinity for none.</value>
    public double Limit { get; init; } = 7;

    /// <summary>The factor inside the sigmoid; 1.702 makes g · σ(1.702 · g) close to GELU (Hendrycks and Gimpel 2016, section 2).</summary>
    /// <value>The default is 1.702. Range: above 0, finite.</value>
    public double Slope { get; init; } = 1.702;

    /// <summary>Added to up, so that an up projection of 0 lets the gate through.</summary>
    /// <value>The default is 1. Range: finite.</value>
    public double Offset { get; init; } = 1;

    /// <inheritdoc/>
    public override Tensor Combine(Tensor gate, Tensor up)
    {
        ArgumentNullException.ThrowIfNull(gate);
        ArgumentNullException.ThrowIfNull(up);
        using var scope = NewDisposeScope();
        var bounded = gate.clamp_max(Limit);
        return scope.MoveToOuter(bounded * (bounded * Slope).sigmoid() * (up.clamp(-Limit, Limit) + Offset));
    }

    internal override void Check(OptionFailures failures) => failures
        .Require(Limit > 0, $"Unit.Limit ({Limit}) must be positive.")
        .Require(Slope > 0 && double.IsFinite(Slope), $"Unit.Slope ({Slope}) must be positive and finite.")
        .Require(double.IsFinite(Offset), $"Unit.Offset ({Offset}) must be finite.");
}
