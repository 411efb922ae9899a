using static TorchSharp.torch;

namespace Moe.Core;

/// <summary>What a layer answers a probe, and who answers. Made in evaluation mode, without gradients; belongs to the scope in which it was made.</summary>
/// <param name="Output">[T, Dout].</param>
/// <param name="Answering">Which experts answer a token, [T, E], 1 or 0, Float32; null for a block without experts.</param>
internal readonly record struct ProbeAnswer(Tensor Output, Tensor? Answering)
{
    public static ProbeAnswer Of(MixtureOfExperts layer, Tensor probe)
    {
        using var noGrad = no_grad();
        return Evaluating(layer, () =>
        {
            var (output, routing) = layer.ForwardWithRouting(probe);
            var experts = zeros(routing.TokenCount, routing.ExpertCount, dtype: ScalarType.Float32, device: output.device);
            return new ProbeAnswer(
                output.reshape(-1, layer.OutputWidth), experts.scatter_add(1, routing.Indices, routing.Kept.to(ScalarType.Float32)).gt(0).to(ScalarType.Float32));
        });
    }

    public static ProbeAnswer Of(StackableExpert dense, Tensor probe)
    {
        TensorGuard.Rows(probe, dense.InputWidth, nameof(probe));
        TensorGuard.NotEmpty(probe, nameof(probe));
        using var noGrad = no_grad();
        return Evaluating(dense, () => new ProbeAnswer(dense.forward(probe.reshape(-1, dense.InputWidth)), null));
    }

    /// <summary>Every module goes back to the mode that it was in: some may be in another one than the layer around them.</summary>
    private static ProbeAnswer Evaluating(nn.Module module, Func<ProbeAnswer> ask)
    {
        var modes = new List<(nn.Module Module, bool Training)>();
        Remember(module);
        if (modes.TrueForAll(mode => !mode.Training))
            return ask();
        try
        {
            module.eval();
            return ask();
        }
        finally
        {
            foreach (var (part, training) in modes)
                part.train(training);
        }

        void Remember(nn.Module part)
        {
            modes.Add((part, part.training));
            foreach (var child in part.children())
                Remember(child);
        }
    }
}
