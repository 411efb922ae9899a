using static TorchSharp.torch;

namespace Moe.Core;

/// <summary>The feed-forward network of a transformer block as an expert: act(x · W_upᵀ + b_up) · W_downᵀ + b_down.</summary>
/// <remarks>
/// Parameters: <c>up_weight</c> [F, D], <c>down_weight</c> [Dout, F], drawn from U(-1/√fan-in, 1/√fan-in); <c>up_bias</c> [F],
/// <c>down_bias</c> [Dout], zero at first.
/// </remarks>
public sealed class FeedForwardExpert : StackableExpert
{
    /// <summary>Builds the expert with fresh weights.</summary>
    /// <param name="options">Widths, activation, bias.</param>
    /// <param name="generator">Draws the first weights; torch's global one when null. Not kept.</param>
    /// <param name="device">Where the weights live; torch's default when null.</param>
    /// <param name="dtype">Their type; torch's default when null.</param>
    /// <exception cref="ArgumentException">An option is out of range; the message lists all that are.</exception>
    public FeedForwardExpert(FeedForwardOptions options, Generator? generator = null, Device? device = null, ScalarType? dtype = null)
        : base(nameof(FeedForwardExpert), MakeRecipe(options), generator, device, dtype)
    {
    }

    internal static FeedForwardRecipe MakeRecipe(FeedForwardOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        options.Validate(nameof(options));
        return new FeedForwardRecipe(options);
    }
}
