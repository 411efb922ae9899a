using TorchSharp;
using static TorchSharp.torch;

namespace Moe.Core.Tests;

/// <summary>A published block as a layer of ours, with the published weights in it.</summary>
internal sealed class GoldenBlock : IDisposable
{
    private readonly GoldenCase _golden;
    private readonly IReadOnlyCollection<WeightPart> _parts;
    private readonly nn.Module<Tensor, Tensor>? _norm;

    /// <summary>Copies the weights.</summary>
    /// <param name="golden">The case.</param>
    /// <param name="layer">The layer; owned from now on.</param>
    /// <param name="parts">Where each weight lies; those of the norm begin with <c>norm.</c></param>
    /// <param name="norm">What stands before the layer, if the published block begins with it; owned from now on.</param>
    public GoldenBlock(GoldenCase golden, MixtureOfExperts layer, IEnumerable<WeightPart> parts, nn.Module<Tensor, Tensor>? norm = null)
    {
        (_golden, Layer, _norm, _parts) = (golden, layer, norm, [.. parts]);
        WeightPart.Copy(_parts, golden.Weights, State());
    }

    public MixtureOfExperts Layer { get; }

    /// <summary>Moves the block to a type.</summary>
    public GoldenBlock To(ScalarType type)
    {
        Layer.to(type);
        return this;
    }

    /// <summary>Puts the draws that the publisher recorded in the place of the gate's own.</summary>
    public GoldenBlock Replaying(string kind, string draw)
    {
        var recorded = _golden.Numbers[draw];
        Layer.Gate.Draws.Recorded = (asked, like) => asked == kind ? recorded.reshape(like.shape) : null;
        return this;
    }

    /// <summary>Runs the block forward, and L = Σ output · grad_output backward.</summary>
    /// <param name="mask">True for real tokens; null when all are.</param>
    /// <param name="published">Makes of the layer's input and answer what the publisher answers, where the two differ by design.</param>
    public GoldenAnswer Answer(Tensor? mask = null, Func<Tensor, MixtureOutput, Tensor>? published = null)
    {
        var io = _golden.Numbers;
        var input = io["input"].detach().clone().requires_grad_();
        var tokens = _norm is null ? input : _norm.call(input);
        var result = Layer.ForwardWithRouting(tokens, mask);
        var output = published is null ? result.Output : published(tokens, result);
        (output * io["grad_output"].to(output.dtype)).sum().backward();
        return new GoldenAnswer(_golden, output, result.Routing, input.grad!, State(), _parts);
    }

    public void Dispose()
    {
        Layer.Dispose();
        _norm?.Dispose();
    }

    private Dictionary<string, Tensor> State()
    {
        var state = Layer.state_dict();
        foreach (var (name, tensor) in _norm?.state_dict() ?? [])
            state[$"norm.{name}"] = tensor;
        return state;
    }
}
