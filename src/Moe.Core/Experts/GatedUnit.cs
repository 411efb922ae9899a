using static TorchSharp.torch;

namespace Moe.Core;

/// <summary>How gate and up projection of a gated feed-forward expert become its hidden row, where that takes more than act(gate) ⊙ up.</summary>
/// <remarks>Immutable data with value equality, which decides whether experts may be stored stacked. Derive from it for a unit of your own.</remarks>
public abstract record GatedUnit
{
    /// <summary>The unit of gpt-oss (OpenAI 2025): <see cref="ClampedSwiGlu"/> as it comes. Its experts have biases too.</summary>
    public static GatedUnit GptOss { get; } = new ClampedSwiGlu();

    /// <summary>Combines the two projections, elementwise.</summary>
    /// <param name="gate">x · W_gateᵀ + b_gate, [n, F].</param>
    /// <param name="up">x · W_upᵀ + b_up, [n, F], same type and device.</param>
    /// <returns>[n, F], same type and device, differentiable.</returns>
    public abstract Tensor Combine(Tensor gate, Tensor up);

    /// <summary>Notes what is wrong with the settings.</summary>
    internal virtual void Check(OptionFailures failures)
    {
    }
}
