using Moe.Core;
using static TorchSharp.torch;

namespace Moe.HuggingFace;

/// <summary>A layer that was loaded from a checkpoint, or made of one that was, and its weights and gradients under their published names.</summary>
/// <remarks>Owns the layer. The layer is an ordinary one: it trains, reports, moves and saves, and can be operated on (<see cref="With"/>).</remarks>
public sealed class PublishedBlock : IDisposable
{
    private readonly BlockPlan _plan;
    private readonly Dictionary<string, ScalarType> _types;
    private bool _isDisposed;

    internal PublishedBlock(ModelFamily family, BlockPlan plan, BlockInfo info, MixtureOfExperts layer, Dictionary<string, ScalarType> types, WeightCompression? compression)
    {
        (Family, _plan, Info, Layer, _types, Compression) = (family, plan, info, layer, types, compression);
    }

    /// <summary>The kind of model.</summary>
    public ModelFamily Family { get; }

    /// <summary>Where it is from.</summary>
    public BlockInfo Info { get; }

    /// <summary>The layer.</summary>
    public MixtureOfExperts Layer { get; }

    /// <summary>How the experts' weights are kept; null for as numbers that can be trained.</summary>
    public WeightCompression? Compression { get; }

    /// <summary>What it lies as in the layout of <see cref="Info"/>.</summary>
    internal IReadOnlyList<PublishedTensor> Tensors => _plan.Tensors(Info.Beginning, Info.Layout);

    /// <summary>The number of experts.</summary>
    internal int Experts => _plan.Gate.ExpertCount;

    /// <summary>K as it is now.</summary>
    internal int TopK => ((GatingNetwork)Layer.Gate).TopK;

    /// <summary>The block with another layer in its place, such as one that <see cref="ExpertRemoval"/> made: of the same family, stored types and names, with other numbers of experts and of choices.</summary>
    /// <param name="layer">
    /// A layer with the family's gate and experts: widths, activation, biases, shared expert and all options of the gate as the settings say, but for E and K. The new block owns it; where it is refused, it stays the caller's.
    /// </param>
    /// <returns>The new block; the caller owns it. This one stays as it is, with the layer that it has.</returns>
    /// <remarks>Frozen experts, which lie in stacks of their own, are experts like others. K is that of <see cref="GatingNetwork.TopK"/>.</remarks>
    /// <exception cref="ArgumentException">The layer is not one that the family's models can have; all that differs is listed.</exception>
    /// <exception cref="ObjectDisposedException">The layer has been disposed.</exception>
    public PublishedBlock With(MixtureOfExperts layer)
    {
        ArgumentNullException.ThrowIfNull(layer);
        ObjectDisposedException.ThrowIf(layer.Gate is GatingNetwork { Weight.IsInvalid: true }, layer);
        return new PublishedBlock(Family, LayerFit.Require(_plan, Family.Name, layer), Info, layer, _types, compression: null);
    }

    /// <summary>The weights as they are now, under the names of a layout.</summary>
    /// <param name="layout">Which; null for that of <see cref="Info"/>, or the fused one if that is quantised.</param>
    /// <returns>Copies on the CPU, each in the type that the checkpoint had; the caller owns them.</returns>
    /// <exception cref="NotSupportedException">The layout is quantised, or the weights are kept compressed.</exception>
    public IReadOnlyDictionary<string, Tensor> Weights(BlockLayout? layout = null)
    {
        using var scope = NewDisposeScope();
        return Published(layout, Layer.state_dict(), tensor => _types[tensor.Pieces[0].Parameter], _ => true);
    }

    /// <summary>The gradients of all weights that have any, under their published names; zeros where no gradient has come.</summary>
    /// <param name="layout">Which; null for that of <see cref="Info"/>, or the fused one if that is quantised.</param>
    /// <returns>Copies on the CPU in the parameters' own type; the caller owns them.</returns>
    public IReadOnlyDictionary<string, Tensor> Gradients(BlockLayout? layout = null)
    {
        using var scope = NewDisposeScope();
        var gradients = Layer.named_parameters().ToDictionary(item => item.name, item => item.parameter.grad ?? zeros_like(item.parameter));
        return Published(layout, gradients, tensor => gradients[Placed(tensor).Pieces[0].Parameter].dtype, tensor => tensor.IsTrainable);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _isDisposed = true;
        Layer.Dispose();
    }

    /// <summary>One tensor of <see cref="Tensors"/> as it is now, a copy on the CPU.</summary>
    internal Tensor Weight(PublishedTensor tensor, ScalarType type)
    {
        ObjectDisposedException.ThrowIf(_isDisposed, this);
        using var scope = NewDisposeScope();
        return scope.MoveToOuter(BlockWriter.Assemble(Placed(tensor), Layer.state_dict(), type));
    }

    private Dictionary<string, Tensor> Published(BlockLayout? layout, Dictionary<string, Tensor> own, Func<PublishedTensor, ScalarType> typeOf, Func<PublishedTensor, bool> wanted)
    {
        ObjectDisposedException.ThrowIf(_isDisposed, this);
        using var constant = no_grad();
        var chosen = layout ?? (Info.Layout == BlockLayout.Mxfp4 ? BlockLayout.Fused : Info.Layout);
        if (Compression is { } kept)
            throw new NotSupportedException($"The experts' weights are kept as {kept}: they have no gradients, and are not what the checkpoint has. Load the block without {nameof(BlockLoadOptions.Compression)}.");
        if (chosen == BlockLayout.Mxfp4)
            throw new NotSupportedException($"Layout {chosen} is quantised: weights are written in {BlockLayout.PerExpert} or {BlockLayout.Fused}.");
        return _plan.Tensors(Info.Beginning, chosen).Where(wanted).ToDictionary(tensor => tensor.Name, tensor => BlockWriter.Assemble(Placed(tensor), own, typeOf(tensor)).MoveToOuterDisposeScope());
    }

    /// <summary>The tensor made of the parameters that there are: a plan has all experts in one stack, a layer may have them in several.</summary>
    private PublishedTensor Placed(PublishedTensor tensor)
    {
        var places = Layer.ExpertPlaces;
        return tensor with { Pieces = [.. tensor.Pieces.Select(PlacedPiece)] };

        WeightPiece PlacedPiece(WeightPiece piece) => piece.Expert is { } expert
            ? piece with { Parameter = $"{places[expert]!.Module}.{piece.Parameter[BlockPlan.Stack.Length..]}", Expert = places[expert]!.Slice }
            : piece;
    }
}
