using static TorchSharp.torch;

namespace Moe.Classical;

/// <summary>Successes out of trials around a predicted probability.</summary>
public sealed class BinomialNoiseFamily : NoiseFamily
{
    /// <inheritdoc/>
    public override string Name => BinomialNoise.Kind;

    /// <inheritdoc/>
    public override bool Takes(ResponseKind kind) => kind == ResponseKind.Trials;

    /// <inheritdoc/>
    public override NoiseModel Fit(Tensor prediction, Response response, Tensor? weights, double floor) => new BinomialNoise();
}
