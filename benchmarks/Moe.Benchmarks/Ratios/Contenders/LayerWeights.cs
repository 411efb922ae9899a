using Moe.Core;
using static TorchSharp.torch;

namespace Moe.Benchmarks.Ratios.Contenders;

/// <summary>The weights of a mixture, for those who are to compute the same: gate and up [E, F, D], down [E, D, F], router [E, D]. Not owned.</summary>
internal sealed record LayerWeights(Tensor Gate, Tensor Up, Tensor Down, Tensor Router)
{
    public static LayerWeights Of(MixtureOfExperts mixture)
    {
        var parameters = mixture.named_parameters().ToDictionary(pair => pair.name, pair => pair.parameter);
        var gateUp = parameters["experts.0.gate_up_weight"].chunk(2, 1);
        return new LayerWeights(gateUp[0], gateUp[1], parameters["experts.0.down_weight"], parameters["gate.weight"]);
    }
}
