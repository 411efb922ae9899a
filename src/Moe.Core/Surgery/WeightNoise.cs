using static TorchSharp.torch;

namespace Moe.Core;

/// <summary>Noise on weights, as large as they are.</summary>
internal static class WeightNoise
{
    /// <summary>Gaussian noise, its deviation a share of the root mean square of <paramref name="scale"/>.</summary>
    public static Tensor Draw(Tensor like, Tensor scale, double share, Generator? generator) =>
        (Normal(like, generator) * (scale.to(ScalarType.Float64).square().mean().sqrt() * share)).to(like.dtype);

    /// <summary>N(0, 1), Float64. Drawn where the generator lives, so that a seed gives the same on every device.</summary>
    public static Tensor Normal(Tensor like, Generator? generator) =>
        randn(like.shape, dtype: ScalarType.Float64, device: generator?.device ?? like.device, generator: generator).to(like.device);

    /// <summary>U(0, 1), Float64, drawn in the same place.</summary>
    public static Tensor Uniform(long[] shape, Device device, Generator? generator) =>
        rand(shape, dtype: ScalarType.Float64, device: generator?.device ?? device, generator: generator).to(device);
}
