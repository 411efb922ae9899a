using Moe.Core;
using static TorchSharp.torch;

namespace Moe.Classical;

/// <summary>An expert that is a mixture itself, and can say how it weighs the experts inside.</summary>
public interface IGatedExpert : IExpert
{
    /// <summary>K, the number of experts inside.</summary>
    int ExpertCount { get; }

    /// <summary>The gate's probabilities.</summary>
    /// <param name="input">Rows [n, D], finite.</param>
    /// <returns>[n, K], Float64 on the CPU: each row's numbers are at least 0 and sum to 1. The caller owns it.</returns>
    Tensor Gates(Tensor input);
}
