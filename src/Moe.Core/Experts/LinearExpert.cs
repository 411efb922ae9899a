using static TorchSharp.torch;

namespace Moe.Core;

/// <summary>A linear model as an expert: x · Wᵀ + b.</summary>
/// <remarks>Parameters: <c>weight</c> [Dout, D], drawn from U(-1/√D, 1/√D); <c>bias</c> [Dout], zero at first.</remarks>
public sealed class LinearExpert : StackableExpert
{
    /// <summary>Builds the expert with fresh weights.</summary>
    /// <param name="inputWidth">D, at least 1.</param>
    /// <param name="outputWidth">Dout, at least 1.</param>
    /// <param name="bias">Whether it has a bias.</param>
    /// <param name="generator">Draws the first weights; torch's global one when null. Not kept.</param>
    /// <param name="device">Where the weights live; torch's default when null.</param>
    /// <param name="dtype">Their type; torch's default when null.</param>
    /// <exception cref="ArgumentOutOfRangeException">A width is below 1.</exception>
    public LinearExpert(
        long inputWidth, long outputWidth, bool bias = true, Generator? generator = null, Device? device = null, ScalarType? dtype = null)
        : base(nameof(LinearExpert), MakeRecipe(inputWidth, outputWidth, bias), generator, device, dtype)
    {
    }

    internal static LinearRecipe MakeRecipe(long inputWidth, long outputWidth, bool bias)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(inputWidth, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(outputWidth, 1);
        return new LinearRecipe(inputWidth, outputWidth, bias);
    }
}
