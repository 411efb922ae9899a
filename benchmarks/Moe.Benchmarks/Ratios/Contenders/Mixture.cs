using Moe.Core;
using static TorchSharp.torch;

namespace Moe.Benchmarks.Ratios.Contenders;

/// <summary>The layer of this library, as a user would build it.</summary>
internal static class Mixture
{
    public const string Name = "ours";

    public static MixtureOfExperts Build(LayerShape shape, ScalarType type, Device device)
    {
        var gate = new GatingNetwork(new GatingOptions { InputWidth = shape.Hidden, ExpertCount = shape.Experts, TopK = shape.TopK }, device: device);
        var options = new GatedFeedForwardOptions { InputWidth = shape.Hidden, HiddenWidth = shape.Ffn };
        return new MixtureOfExperts(gate, StackedExperts.GatedFeedForward(shape.Experts, options, device: device, dtype: type));
    }
}
