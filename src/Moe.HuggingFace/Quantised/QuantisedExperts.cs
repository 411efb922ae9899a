using System.Collections;
using Moe.Core;
using static TorchSharp.torch;

namespace Moe.HuggingFace;

/// <summary>
/// The experts of a layer, quantised, as a list that a layer takes: <c>new MixtureOfExperts(gate, QuantisedExperts.From(stack, WeightCompression.Int8))</c>.
/// </summary>
/// <remarks>Owns nothing: each expert is a module of its own, which the layer that takes it owns from then on.</remarks>
public sealed class QuantisedExperts : IReadOnlyList<QuantisedFeedForwardExpert>
{
    private readonly QuantisedFeedForwardExpert[] _experts;

    private QuantisedExperts(QuantisedFeedForwardExpert[] experts, IReadOnlyList<CompressionError> errors) => (_experts, Errors) = (experts, errors);

    /// <summary>The number of experts.</summary>
    public int Count => _experts.Length;

    /// <summary>What compression has done to each matrix; empty where the weights came quantised.</summary>
    public IReadOnlyList<CompressionError> Errors { get; }

    /// <summary>The bytes that all experts take.</summary>
    public long MemoryBytes => _experts.Sum(expert => expert.MemoryBytes);

    /// <summary>The bytes that all would take with their matrices decoded in Float32. No more than one matrix ever is, while there are no gradients.</summary>
    public long DecodedBytes => _experts.Sum(expert => expert.DecodedBytes);

    /// <summary>Expert <paramref name="index"/>.</summary>
    public QuantisedFeedForwardExpert this[int index] => _experts[index];

    /// <summary>Compresses the weights of a stack, expert by expert.</summary>
    /// <param name="stack">Gated feed-forward experts. Left as they are.</param>
    /// <param name="compression">How.</param>
    /// <returns>As many experts, on the same device.</returns>
    /// <exception cref="ArgumentException">They are experts of another kind, a weight is not finite, or the widths do not suit the compression.</exception>
    public static QuantisedExperts From(StackedExperts stack, WeightCompression compression)
    {
        ArgumentNullException.ThrowIfNull(stack);
        return From(stack, [stack], compression);
    }

    /// <summary>Compresses the weights of a layer's experts, those that answer every token excepted.</summary>
    /// <param name="layer">A layer all of whose routed experts are gated feed-forward ones. Left as it is.</param>
    /// <param name="compression">How.</param>
    /// <returns>As many experts, on the same device.</returns>
    /// <exception cref="ArgumentException">There are experts of another kind, a weight is not finite, or the widths do not suit the compression.</exception>
    public static QuantisedExperts From(MixtureOfExperts layer, WeightCompression compression)
    {
        ArgumentNullException.ThrowIfNull(layer);
        return From(layer.Experts, [.. layer.modules().OfType<StackedExperts>()], compression);
    }

    /// <summary>Takes experts as gpt-oss publishes them, without loss.</summary>
    /// <param name="options">Widths, unit and biases; those of gpt-oss have <see cref="GatedUnit.GptOss"/> and biases.</param>
    /// <param name="gateUpBlocks">[E, 2F, D / 32, 16], Byte.</param>
    /// <param name="gateUpScales">[E, 2F, D / 32], Byte.</param>
    /// <param name="downBlocks">[E, Dout, F / 32, 16], Byte.</param>
    /// <param name="downScales">[E, Dout, F / 32], Byte.</param>
    /// <param name="gateUpBias">[E, 2F]; null without biases.</param>
    /// <param name="downBias">[E, Dout]; null without biases.</param>
    /// <param name="interleaved">Whether the rows of gate and up take turns, as in gpt-oss, or gate lies above up. Experts hold them the second way.</param>
    /// <returns>E experts. All tensors are copied.</returns>
    /// <exception cref="ArgumentException">A shape, a type or a device is not as stated.</exception>
    public static QuantisedExperts FromMxfp4(
        GatedFeedForwardOptions options,
        Tensor gateUpBlocks,
        Tensor gateUpScales,
        Tensor downBlocks,
        Tensor downScales,
        Tensor? gateUpBias = null,
        Tensor? downBias = null,
        bool interleaved = true)
    {
        ArgumentNullException.ThrowIfNull(options);
        Mxfp4.RequireTensors(gateUpBlocks, gateUpScales);
        Mxfp4.RequireTensors(downBlocks, downScales);
        var count = gateUpBlocks.size(0);
        RequireStack(gateUpBlocks, 4, count, nameof(gateUpBlocks));
        RequireStack(downBlocks, 4, count, nameof(downBlocks));
        RequireStack(gateUpBias, 2, count, nameof(gateUpBias));
        RequireStack(downBias, 2, count, nameof(downBias));
        if (gateUpBlocks.size(1) % 2 != 0)
            throw new ArgumentException($"Expected an even number of rows, gate's and up's, got {gateUpBlocks.size(1)}.", nameof(gateUpBlocks));
        return new([.. Enumerable.Range(0, (int)count).Select(Expert)], []);

        QuantisedFeedForwardExpert Expert(int index)
        {
            using var noGrad = no_grad();
            using var scope = NewDisposeScope();
            return new(
                options,
                new Mxfp4Matrix(GateAboveUp(gateUpBlocks.select(0, index)), GateAboveUp(gateUpScales.select(0, index))),
                new Mxfp4Matrix(downBlocks.select(0, index), downScales.select(0, index)),
                gateUpBias is null ? null : GateAboveUp(gateUpBias.select(0, index)),
                downBias?.select(0, index));
        }

        Tensor GateAboveUp(Tensor rows) => interleaved ? rows.unflatten(0, [-1, 2]).transpose(0, 1).flatten(0, 1) : rows;
    }

    /// <inheritdoc/>
    public IEnumerator<QuantisedFeedForwardExpert> GetEnumerator() => _experts.AsEnumerable().GetEnumerator();

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();

    private static QuantisedExperts From(IReadOnlyList<IExpert> experts, StackedExperts[] stacks, WeightCompression compression)
    {
        var options = experts.Select((expert, index) => GatedFeedForwardOptions.Of(expert)
            ?? throw new ArgumentException($"Expected gated feed-forward experts, but expert {index} ({expert.GetType().Name}) is none.", nameof(experts))).ToArray();
        var places = stacks.SelectMany(stack => stack.Select((expert, index) => (expert, Place: (stack, index)))).ToDictionary(item => item.expert, item => item.Place);
        var errors = new List<CompressionError>();
        return new([.. experts.Select((_, index) => Compress(index))], errors);

        QuantisedFeedForwardExpert Compress(int index)
        {
            using var noGrad = no_grad();
            using var scope = NewDisposeScope();
            return new(options[index], Matrix(index, "gate_up_weight"), Matrix(index, "down_weight"), Weight(index, "gate_up_bias"), Weight(index, "down_bias"));
        }

        QuantisedMatrix Matrix(int index, string name)
        {
            var weights = Weight(index, name)!;
            var matrix = QuantisedMatrix.From(weights, compression);
            var exact = weights.to(ScalarType.Float64);
            var error = (matrix.Decode(ScalarType.Float64) - exact).abs().max().item<double>();
            errors.Add(new CompressionError(index, name, error, exact.abs().max().item<double>()));
            return matrix;
        }

        Tensor? Weight(int index, string name) => places.TryGetValue(experts[index], out var place)
            ? place.stack.get_parameter(name)?.select(0, place.index)
            : ((nn.Module)experts[index]).get_parameter(name);
    }

    private static void RequireStack(Tensor? tensor, int dimensions, long count, string name)
    {
        if (tensor is not null && (tensor.dim() != dimensions || tensor.size(0) != count))
            throw new ArgumentException($"Expected {name} of {dimensions} dimensions for {count} experts, got {TensorGuard.Shape(tensor)}.", name);
    }
}
