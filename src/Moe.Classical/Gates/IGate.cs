using static TorchSharp.torch;

namespace Moe.Classical;

/// <summary>A fitted gate: for each row, how probable it makes each expert.</summary>
/// <remarks>Never changed after its fit; may be used on several threads at once.</remarks>
public interface IGate
{
    /// <summary>The width of the rows it looks at.</summary>
    long InputWidth { get; }

    /// <summary>K, the number of experts.</summary>
    int Experts { get; }

    /// <summary>Free parameters; null if they cannot be counted.</summary>
    double? DegreesOfFreedom { get; }

    /// <summary>log g(x) of each row.</summary>
    /// <param name="rows">[n, Dz], Float64 on the CPU, contiguous, finite.</param>
    /// <returns>[n, K], Float64 on the CPU, contiguous: each row's exponentials sum to 1; -∞ is legal, NaN is not. The caller owns it.</returns>
    Tensor LogProbabilities(Tensor rows);
}
