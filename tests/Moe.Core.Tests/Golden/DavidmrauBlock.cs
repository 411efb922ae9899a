using static TorchSharp.torch;

namespace Moe.Core.Tests;

/// <summary>davidmrau/mixture-of-experts, the PyTorch code of Shazeer et al. 2017 that most people start from, which departs from the paper in its weights.</summary>
internal static class DavidmrauBlock
{
    public const string Kind = "davidmrau_moe";

    public static GoldenBlock Build(GoldenCase golden, Func<GatingOptions, GatingOptions>? gate = null)
    {
        var config = golden.Config;
        var (width, output, hidden, experts) = (config.Number("input_size"), config.Number("output_size"), config.Number("hidden_size"), config.Number("num_experts"));
        var isNoisy = config.Flag("noisy_gating");
        var gating = new GatingOptions
        {
            InputWidth = width,
            ExpertCount = experts,
            TopK = config.Number("k"),
            Noise = isNoisy ? new LearnedNoise { Floor = config.Real("noise_epsilon") } : null,
            Softmax = SoftmaxOrder.BeforeSelection,
            Renormalize = true,
            NormEpsilon = 1e-6,
        };
        var layer = new MixtureOfExperts(
            new GatingNetwork(gate is null ? gating : gate(gating)),
            Enumerable.Range(0, experts).Select(_ => new ModuleExpert(
                nn.Sequential(("fc1", nn.Linear(width, hidden)), ("relu", nn.ReLU()), ("fc2", nn.Linear(hidden, output)), ("softmax", nn.Softmax(1))), width, output)));
        var training = config.Flag("training");
        layer.train(training);
        var block = new GoldenBlock(golden, layer,
        [
            new("w_gate", "gate.weight", weight => weight.t()),
            .. layer.Network.NoiseWeight is not null ? [new WeightPart("w_noise", "gate.noise_weight", weight => weight.t())] : Array.Empty<WeightPart>(),
            .. from index in Enumerable.Range(0, experts)
               from name in new[] { "fc1.weight", "fc1.bias", "fc2.weight", "fc2.bias" }
               select new WeightPart($"experts.{index}.{name}", $"experts.{index}.module.{name}"),
        ]);
        return isNoisy && training ? block.Replaying("normal", "noise") : block;
    }
}
