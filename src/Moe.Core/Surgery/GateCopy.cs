using static TorchSharp.torch;

namespace Moe.Core;

/// <summary>Copies of gates, with rows for other experts.</summary>
internal static class GateCopy
{
    public static bool CanCopy(Router router) => router is GatingNetwork or SoftRouter;

    /// <summary>The same gate again.</summary>
    public static Router Whole(Router router) => router switch
    {
        GatingNetwork gate => Of(gate, gate.Options, null),
        SoftRouter soft => Soft(soft),
        _ => throw new ArgumentException($"Expected a gate that can be copied, a {nameof(GatingNetwork)} or a {nameof(SoftRouter)}, got a {router.GetType().Name}."),
    };

    /// <summary>A gate with other options; its rows are copies.</summary>
    /// <param name="gate">The old gate.</param>
    /// <param name="options">Those of the new one: with another number of experts, another K, or a bias, which begins at zero.</param>
    /// <param name="sources">For each new row, the old one; null for all as they are, with the K of the old gate.</param>
    public static GatingNetwork Of(GatingNetwork gate, GatingOptions options, int[]? sources)
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        using var unused = new Generator(0);
        var copy = new GatingNetwork(options, unused, gate.Weight.device, gate.Weight.dtype) { Generator = gate.Generator, Temperature = gate.Temperature, NoiseScale = gate.NoiseScale };
        if (sources is null)
            copy.TopK = gate.TopK;
        var rows = sources is null ? null : tensor(Array.ConvertAll(sources, source => (long)source), device: gate.Weight.device);
        foreach (var (to, from) in new[]
        {
            (copy.Weight, gate.Weight), (copy.Bias, gate.Bias), (copy.NoiseWeight, gate.NoiseWeight), (copy.SelectionBias, gate.SelectionBias),
        })
        {
            if (to is not null && from is not null)
                to.copy_(rows is null ? from : from.index_select(0, rows));
        }
        foreach (var (to, from) in new (Tensor?, Tensor?)[]
        {
            (copy.ProjectionWeight, gate.ProjectionWeight), (copy.LogScale, gate.LogScale), (copy.GroupWeight, gate.GroupWeight), (copy.Table, gate.Table),
        })
        {
            if (to is not null && from is not null)
                to.copy_(from);
        }
        Learns(gate, copy);
        return copy;
    }

    private static SoftRouter Soft(SoftRouter router)
    {
        using var noGrad = no_grad();
        using var unused = new Generator(0);
        var copy = new SoftRouter(router.Options, unused, router.Slots.device, router.Slots.dtype) { Generator = router.Generator };
        copy.Slots.copy_(router.Slots);
        if (copy.Scale is { } scale)
            scale.copy_(router.Scale!);
        if (copy.SlotGain is { } gain)
            gain.copy_(router.SlotGain!);
        Learns(router, copy);
        return copy;
    }

    private static void Learns(nn.Module from, nn.Module to)
    {
        to.train(from.training);
        var old = from.named_parameters().ToDictionary(item => item.name, item => item.parameter);
        foreach (var (name, parameter) in to.named_parameters())
        {
            if (old.TryGetValue(name, out var original))
                parameter.requires_grad = original.requires_grad;
        }
    }
}
