using Moe.Core;
using static TorchSharp.torch;

namespace Moe.Classical;

/// <summary>Fits <see cref="ConstantGate"/>: each expert's probability is its mean share.</summary>
public sealed class ConstantGateLearner : IGateLearner
{
    /// <inheritdoc/>
    public IGate Fit(Tensor rows, Tensor targets, Tensor? weights, IGate? previous, FitContext context)
    {
        ArgumentNullException.ThrowIfNull(rows);
        ArgumentNullException.ThrowIfNull(targets);
        var shares = HostMemory.Of<double>(targets);
        var weight = NoiseNumbers.Weights(weights);
        var sums = new double[targets.size(1)];
        for (var (row, place) = (0, 0); place < shares.Length; row++)
        {
            for (var expert = 0; expert < sums.Length; expert++, place++)
                sums[expert] += (weight.IsEmpty ? 1 : weight[row]) * shares[place];
        }
        return new ConstantGate(sums, rows.size(1));
    }
}
