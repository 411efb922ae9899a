using static TorchSharp.torch;

namespace Moe.Classical;

/// <summary>Normal noise around real numbers, σ² = Σ w e² / Σ w (maximum likelihood: no correction for the parameters of the expert).</summary>
public sealed class GaussianNoiseFamily : NoiseFamily
{
    /// <inheritdoc/>
    public override string Name => GaussianNoise.Kind;

    /// <inheritdoc/>
    public override bool Takes(ResponseKind kind) => kind == ResponseKind.Real;

    /// <inheritdoc/>
    public override NoiseModel Fit(Tensor prediction, Response response, Tensor? weights, double floor)
    {
        var (mean, y) = NoiseNumbers.Pair(prediction, response, ResponseKind.Real);
        var weight = NoiseNumbers.Weights(weights);
        var (squares, total) = (0.0, 0.0);
        for (var row = 0; row < y.Length; row++)
        {
            var e = y[row] - mean[row];
            var w = weight.IsEmpty ? 1 : weight[row];
            squares += w * e * e;
            total += w;
        }
        return new GaussianNoise(NoiseNumbers.Floored(Math.Sqrt(squares / total), floor));
    }
}
