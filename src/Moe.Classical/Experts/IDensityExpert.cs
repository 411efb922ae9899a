using Moe.Core;
using static TorchSharp.torch;

namespace Moe.Classical;

/// <summary>An expert that knows how likely each response is, not only which it expects.</summary>
public interface IDensityExpert : IExpert
{
    /// <summary>log p(y | x) of each row: a density for real numbers, a probability otherwise, with all constants.</summary>
    /// <param name="input">Rows [n, D], finite.</param>
    /// <param name="response">n entries of the kind that the expert was fitted to.</param>
    /// <returns>[n], Float64 on the CPU; may be -∞, never NaN. The caller owns it.</returns>
    Tensor LogDensity(Tensor input, Response response);
}
