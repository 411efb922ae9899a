using static TorchSharp.torch;

namespace Moe.Core;

/// <summary>
/// Who was sent where, token by token, by all mixtures of one forward pass: to be looked at, written to a file, and replayed
/// (<see cref="RoutingPass.Replay"/>), so that two programs that compute a little differently still choose the same.
/// </summary>
/// <remarks>Immutable, in plain numbers: nothing to dispose. Taking one reads every choice from the device.</remarks>
public sealed class RoutingTrace
{
    internal RoutingTrace(IReadOnlyList<TracedLayer> layers) => Layers = layers;

    /// <summary>The mixtures in the order in which they decided.</summary>
    public IReadOnlyList<TracedLayer> Layers { get; }

    /// <summary>Traces the decisions that a pass has collected.</summary>
    /// <param name="pass">The pass. Not disposed.</param>
    /// <returns>The trace; its layers are named by their numbers.</returns>
    public static RoutingTrace From(RoutingPass pass)
    {
        ArgumentNullException.ThrowIfNull(pass);
        return new RoutingTrace([.. pass.Layers.Select((layer, index) => Trace(layer.Decision, $"{index}"))]);
    }

    /// <summary>Traces the decisions that a pass has collected, with the names that the layers have in a model.</summary>
    /// <param name="pass">The pass. Not disposed.</param>
    /// <param name="model">The model that was run.</param>
    /// <returns>The trace.</returns>
    public static RoutingTrace From(RoutingPass pass, nn.Module model)
    {
        ArgumentNullException.ThrowIfNull(pass);
        ArgumentNullException.ThrowIfNull(model);
        var names = model.named_modules().DistinctBy(item => item.module).ToDictionary(item => item.module, item => item.name);
        return new RoutingTrace([.. pass.Layers.Select((layer, index) => Trace(layer.Decision, names.GetValueOrDefault(layer.Layer, $"{index}")))]);
    }

    /// <summary>Traces one decision.</summary>
    /// <param name="decision">The decision. Not disposed.</param>
    /// <returns>The trace of one layer, named 0.</returns>
    public static RoutingTrace From(RoutingDecision decision)
    {
        ArgumentNullException.ThrowIfNull(decision);
        return new RoutingTrace([Trace(decision, "0")]);
    }

    /// <summary>Reads a trace that <see cref="Save(string)"/> wrote.</summary>
    /// <param name="path">The file.</param>
    /// <returns>The trace, every number to its last bit.</returns>
    /// <exception cref="InvalidDataException">The file is broken; the message says in which line and why.</exception>
    public static RoutingTrace Load(string path)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(path);
        using var reader = new StreamReader(path);
        return RoutingTraceText.Read(reader, path);
    }

    /// <summary>Reads a trace that <see cref="Save(TextWriter)"/> wrote.</summary>
    /// <param name="reader">The text, to its end. Not disposed.</param>
    /// <returns>The trace, every number to its last bit.</returns>
    /// <exception cref="InvalidDataException">The text is broken; the message says in which line and why.</exception>
    public static RoutingTrace Load(TextReader reader)
    {
        ArgumentNullException.ThrowIfNull(reader);
        return RoutingTraceText.Read(reader, "The trace");
    }

    /// <summary>Writes the trace to a file of JSON lines, which programs in any language can read; replaces what is there.</summary>
    /// <param name="path">The file; its folder must exist.</param>
    /// <inheritdoc cref="Save(TextWriter)"/>
    public void Save(string path)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(path);
        using var writer = new StreamWriter(path);
        Save(writer);
    }

    /// <summary>Writes the trace as JSON lines.</summary>
    /// <remarks>
    /// First <c>{"format":"moe-routing-trace","version":1,"layers":…}</c>; then for each layer <c>{"layer":"name","experts":E,"tokens":T,"choices":K}</c> and a line for each token,
    /// <c>{"experts":[…],"weights":[…],"states":[…]}</c>, with K entries each. States are kept, dropped, declined and padding.
    /// </remarks>
    /// <param name="writer">Takes the text. Not disposed.</param>
    public void Save(TextWriter writer)
    {
        ArgumentNullException.ThrowIfNull(writer);
        RoutingTraceText.Write(writer, this);
    }

    /// <summary>The choices of a layer as <see cref="RoutingContext.ForcedIndices"/> takes them.</summary>
    /// <param name="layer">The number of the layer, from 0.</param>
    /// <param name="input">The tokens, [*, D], that are to be routed so: as many as were traced.</param>
    /// <returns>[*, K], Int64, on the input's device; the caller owns it.</returns>
    /// <exception cref="ArgumentException">There is no such layer, or it was asked about another number of tokens.</exception>
    public Tensor ForcedIndices(int layer, Tensor input)
    {
        ArgumentNullException.ThrowIfNull(input);
        if (layer < 0 || layer >= Layers.Count)
            throw new ArgumentException($"Expected a layer from 0 to {Layers.Count - 1}, which the trace has, got {layer}.", nameof(layer));
        var traced = Layers[layer];
        var leading = input.shape[..^1];
        var tokens = leading.Aggregate(1L, (product, size) => product * size);
        if (tokens != traced.TokenCount)
            throw new ArgumentException($"Expected input with {traced.TokenCount} tokens, as layer {layer} ({traced.Name}) was traced with, got {TensorGuard.Shape(input)}.", nameof(input));
        using var scope = NewDisposeScope();
        var forced = traced.Experts.Zip(traced.States, (expert, state) => state is TracedState.Kept or TracedState.Dropped ? expert : ~(long)expert);
        return scope.MoveToOuter(tensor(forced.ToArray(), [.. leading, traced.TopK], device: input.device));
    }

    private static TracedLayer Trace(RoutingDecision decision, string name)
    {
        TensorGuard.Alive(decision.Indices, nameof(decision));
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        var chosen = decision.Chosen ?? ones_like(decision.Kept);
        var real = decision.Mask is { } mask ? mask.unsqueeze(-1).expand_as(decision.Kept) : ones_like(decision.Kept);
        Tensor[] parts = [decision.Indices, decision.Weights, decision.Kept, chosen, real];
        var all = stack(parts.Select(part => part.to(ScalarType.Float64))).cpu().data<double>().ToArray();
        var count = (int)decision.Indices.numel();
        return new TracedLayer(
            name, decision.ExpertCount, decision.TopK,
            [.. all.Take(count).Select(expert => (int)expert)],
            all[count..(2 * count)],
            [.. Enumerable.Range(0, count).Select(at => State(all[2 * count + at] != 0, all[3 * count + at] != 0, all[4 * count + at] != 0))]);
    }

    private static TracedState State(bool kept, bool chosen, bool real) =>
        kept ? TracedState.Kept : !real ? TracedState.Padding : chosen ? TracedState.Dropped : TracedState.Declined;
}
