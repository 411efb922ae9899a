using Moe.Core;
using static TorchSharp.torch;

namespace Moe.Classical;

/// <summary>An expert of real numbers that says for each row how sure it is of its mean.</summary>
public interface IVarianceExpert : IExpert
{
    /// <summary>The variance of a new response around the prediction, noise included.</summary>
    /// <param name="input">Rows [n, D], finite.</param>
    /// <returns>[n], Float64 on the CPU, above 0. The caller owns it.</returns>
    Tensor PredictVariance(Tensor input);
}
