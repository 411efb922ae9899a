using Moe.Core;
using TorchSharp;
using static TorchSharp.torch;

namespace Moe.HuggingFace;

/// <summary>Makes a layer of a block's parameters.</summary>
internal static class BlockBuilder
{
    /// <summary>Reads the parameters and makes the layer, on the device that is asked for. What fails leaves nothing behind.</summary>
    /// <param name="plan">The block.</param>
    /// <param name="store">Where its tensors are.</param>
    /// <param name="layout">How they lie.</param>
    /// <param name="tensors">All of them; they have been checked.</param>
    /// <param name="stored">The types that the parameters have in the file.</param>
    /// <param name="options">Type, compression and device.</param>
    /// <param name="cancellationToken">Ends it.</param>
    public static MixtureOfExperts Load(
        BlockPlan plan, SafetensorsFolder store, BlockLayout layout, IReadOnlyList<PublishedTensor> tensors, Dictionary<string, ScalarType> stored, BlockLoadOptions options, CancellationToken cancellationToken)
    {
        var type = options.Type ?? stored.First(pair => pair.Key.StartsWith("experts.", StringComparison.Ordinal)).Value;
        var router = type == ScalarType.Float64 ? ScalarType.Float64 : ScalarType.Float32;
        var keepsBytes = options.Compression == WeightCompression.Mxfp4 && layout == BlockLayout.Mxfp4;
        PublishedTensor[] read = [.. tensors.Where(tensor => !keepsBytes || !tensor.IsMxfp4)];
        var parameters = BlockReader.Read(store, read, plan.Parameters, (name, _) => name.StartsWith("gate.", StringComparison.Ordinal) ? router : type, cancellationToken);
        MixtureOfExperts? layer = null;
        try
        {
            var experts = keepsBytes ? Mxfp4Experts(plan, store, tensors, parameters)
                : options.Compression is { } compression ? Compressed(Stack(plan, parameters), compression)
                : (IReadOnlyList<IExpert>)Stack(plan, parameters);
            layer = Build(plan, experts, parameters, type, options.Generator);
            if (options.Device is { } device && device.type != DeviceType.CPU)
                layer.to(device);
            return layer;
        }
        catch
        {
            // Widths that a compression does not suit, for one, or a device without room.
            layer?.Dispose();
            foreach (var parameter in parameters.Values)
                parameter.Dispose();
            throw;
        }
    }

    /// <summary>The experts. Their weights become their own.</summary>
    private static StackedExperts Stack(BlockPlan plan, Dictionary<string, Tensor> parameters)
    {
        var stacked = parameters.Where(pair => pair.Key.StartsWith(BlockPlan.Stack, StringComparison.Ordinal)).ToDictionary(pair => pair.Key[BlockPlan.Stack.Length..], pair => pair.Value);
        foreach (var name in stacked.Keys)
            parameters.Remove(BlockPlan.Stack + name);
        return plan.Gated is { } gated ? StackedExperts.GatedFeedForward(gated, stacked) : StackedExperts.FeedForward(plan.Plain!, stacked);
    }

    /// <summary>The same experts, small. The stack is disposed.</summary>
    private static IExpert[] Compressed(StackedExperts stack, WeightCompression compression)
    {
        using (stack)
            return [.. QuantisedExperts.From(stack, compression)];
    }

    /// <summary>The experts of a block that lies as MXFP4, with the bytes of the file.</summary>
    private static IExpert[] Mxfp4Experts(BlockPlan plan, SafetensorsFolder store, IReadOnlyList<PublishedTensor> tensors, Dictionary<string, Tensor> parameters)
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
    private static MixtureOfExperts Build(BlockPlan plan, IReadOnlyList<IExpert> experts, Dictionary<string, Tensor> parameters, ScalarType type, Generator? generator)
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
