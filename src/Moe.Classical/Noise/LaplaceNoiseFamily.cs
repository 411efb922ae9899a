using static TorchSharp.torch;

namespace Moe.Classical;

/// <summary>Laplace noise around real numbers, b = Σ w |e| / Σ w (maximum likelihood).</summary>
public sealed class LaplaceNoiseFamily : NoiseFamily
{
    /// <inheritdoc/>
    public override string Name => LaplaceNoise.Kind;

    /// <inheritdoc/>
    public override bool Takes(ResponseKind kind) => kind == ResponseKind.Real;

    /// <inheritdoc/>
    public override NoiseModel Fit(Tensor prediction, Response response, Tensor? weights, double floor)
    {
        var (mean, y) = NoiseNumbers.Pair(prediction, response, ResponseKind.Real);
        var weight = NoiseNumbers.Weights(weights);
        var (sum, total) = (0.0, 0.0);
        for (var row = 0; row < y.Length; row++)
        {
            var w = weight.IsEmpty ? 1 : weight[row];
            sum += w * Math.Abs(y[row] - mean[row]);
            total += w;
        }
        return new LaplaceNoise(NoiseNumbers.Floored(sum / total, floor / Math.Sqrt(2)));
    }
}
