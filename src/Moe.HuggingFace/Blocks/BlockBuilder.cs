using Moe.Core;
using static TorchSharp.torch;

namespace Moe.HuggingFace;

/// <summary>Makes a layer of a block's parameters.</summary>
internal static class BlockBuilder
{
    /// <summary>The experts. Their weights become their own, unless they are compressed: then they are disposed.</summary>
    public static IReadOnlyList<IExpert> Experts(BlockPlan plan, Dictionary<string, Tensor> parameters, WeightCompression? compression)
    {
        var stacked = parameters.Where(pair => pair.Key.StartsWith(BlockPlan.Stack, StringComparison.Ordinal)).ToDictionary(pair => pair.Key[BlockPlan.Stack.Length..], pair => pair.Value);
        foreach (var name in stacked.Keys)
            parameters.Remove(BlockPlan.Stack + name);
        var stack = plan.Gated is { } gated ? StackedExperts.GatedFeedForward(gated, stacked) : StackedExperts.FeedForward(plan.Plain!, stacked);
        if (compression is not { } kind)
            return stack;
        using (stack)
            return [.. QuantisedExperts.From(stack, kind)];
    }

    /// <summary>The experts of a block that lies as MXFP4, with the bytes of the file.</summary>
    public static IReadOnlyList<IExpert> Mxfp4Experts(BlockPlan plan, SafetensorsFolder store, IReadOnlyList<PublishedTensor> tensors, Dictionary<string, Tensor> parameters)
    {
        using var scope = NewDisposeScope();
        var (gateUp, down) = (tensors.Single(tensor => tensor.Role == WeightRole.GateUp), tensors.Single(tensor => tensor.Role == WeightRole.Down));
        var (gateUpBias, downBias) = (Taken("gate_up_bias"), Taken("down_bias"));

        // Biases have been read in our order; the blocks are in the file's.
        var isInterleaved = gateUp.Pieces[0].Form.HasFlag(WeightForm.Interleaved);
        if (isInterleaved && gateUpBias is not null)
            gateUpBias = gateUpBias.unflatten(1, [2, -1]).transpose(1, 2).flatten(1, 2);
        return [.. QuantisedExperts.FromMxfp4(
            plan.Gated!, store.ReadTensor(gateUp.BlocksName), store.ReadTensor(gateUp.ScalesName), store.ReadTensor(down.BlocksName), store.ReadTensor(down.ScalesName), gateUpBias, downBias, isInterleaved)];

        Tensor? Taken(string name)
        {
            if (!parameters.Remove(BlockPlan.Stack + name, out var bias))
                return null;
            scope.Attach(bias);
            return bias;
        }
    }

    /// <summary>The layer, for evaluation. What is in <paramref name="parameters"/> is copied and disposed.</summary>
    public static MixtureOfExperts Build(BlockPlan plan, IReadOnlyList<IExpert> experts, Dictionary<string, Tensor> parameters, ScalarType type, Generator? generator)
    {
        var layer = new MixtureOfExperts(new GatingNetwork(plan.Gate, generator, CPU, type), experts, SharedExperts(plan, type));
        using var constant = no_grad();
        var state = layer.state_dict();
        foreach (var (name, value) in parameters)
        {
            state[name].copy_(value);
            value.Dispose();
        }
        layer.eval();
        return layer;
    }

    private static IExpert[]? SharedExperts(BlockPlan plan, ScalarType type)
    {
        if (plan.Shared is not { } shared)
            return null;
        if (plan.Plain is { } plain)
            return [new FeedForwardExpert(plain with { HiddenWidth = shared.HiddenWidth }, device: CPU, dtype: type)];
        var expert = new GatedFeedForwardExpert(plan.Gated! with { HiddenWidth = shared.HiddenWidth }, device: CPU, dtype: type);
        return [shared.IsSelfGated ? new SelfGatedExpert(expert, device: CPU, dtype: type) : expert];
    }
}
