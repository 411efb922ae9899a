using static TorchSharp.torch;

namespace Moe.Core;

/// <summary>
/// A gated feed-forward network (SwiGLU, GEGLU, ReGLU, and the units of <see cref="GatedUnit"/>) as an expert: (act(x · W_gateᵀ) ⊙ (x · W_upᵀ)) · W_downᵀ.
/// </summary>
/// <remarks>
/// Parameters: <c>gate_up_weight</c> [2F, D] (W_gate above W_up), <c>down_weight</c> [Dout, F], drawn from U(-1/√fan-in, 1/√fan-in); biases
/// <c>gate_up_bias</c> [2F] and <c>down_bias</c> [Dout], zero at first, if the options ask for them.
/// </remarks>
public sealed class GatedFeedForwardExpert : StackableExpert
{
    /// <summary>Builds the expert with fresh weights.</summary>
    /// <param name="options">Widths, activation, bias.</param>
    /// <param name="generator">Draws the first weights; torch's global one when null. Not kept.</param>
    /// <param name="device">Where the weights live; torch's default when null.</param>
    /// <param name="dtype">Their type; torch's default when null.</param>
    /// <exception cref="ArgumentException">An option is out of range; the message lists all that are.</exception>
    public GatedFeedForwardExpert(
        GatedFeedForwardOptions options, Generator? generator = null, Device? device = null, ScalarType? dtype = null)
        : base(nameof(GatedFeedForwardExpert), MakeRecipe(options), generator, device, dtype)
    {
    }

    internal static GatedFeedForwardRecipe MakeRecipe(GatedFeedForwardOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        options.Validate(nameof(options));
        return new GatedFeedForwardRecipe(options);
    }
}
