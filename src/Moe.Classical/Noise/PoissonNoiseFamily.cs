using static TorchSharp.torch;

namespace Moe.Classical;

/// <summary>Counts around a predicted mean.</summary>
public sealed class PoissonNoiseFamily : NoiseFamily
{
    /// <inheritdoc/>
    public override string Name => PoissonNoise.Kind;

    /// <inheritdoc/>
    public override bool Takes(ResponseKind kind) => kind == ResponseKind.Count;

    /// <inheritdoc/>
    public override NoiseModel Fit(Tensor prediction, Response response, Tensor? weights, double floor) => new PoissonNoise();
}
