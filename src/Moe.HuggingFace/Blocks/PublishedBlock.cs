using Moe.Core;
using static TorchSharp.torch;

namespace Moe.HuggingFace;

/// <summary>A layer that was loaded from a checkpoint, and its weights and gradients under their published names.</summary>
/// <remarks>Owns the layer. The layer is an ordinary one: it trains, reports, moves and saves.</remarks>
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
        return Published(layout, gradients, tensor => gradients[tensor.Pieces[0].Parameter].dtype, tensor => tensor.IsTrainable);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _isDisposed = true;
        Layer.Dispose();
    }

    /// <summary>The weights as they are now, in the layout of <see cref="Info"/> and in types of the caller's choice.</summary>
    internal IReadOnlyDictionary<string, Tensor> WeightsAs(Func<PublishedTensor, ScalarType> typeOf)
    {
        using var scope = NewDisposeScope();
        return Published(Info.Layout, Layer.state_dict(), typeOf, _ => true);
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
        return _plan.Tensors(Info.Beginning, chosen).Where(wanted).ToDictionary(tensor => tensor.Name, tensor => BlockWriter.Assemble(tensor, own, typeOf(tensor)).MoveToOuterDisposeScope());
    }
}
