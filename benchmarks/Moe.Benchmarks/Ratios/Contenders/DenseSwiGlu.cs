using static TorchSharp.torch;

namespace Moe.Benchmarks.Ratios.Contenders;

/// <summary>One SwiGLU layer of width K · F: the FLOPs that a token of the mixture costs, with nothing to route.</summary>
/// <remarks>Three linear modules: gate and up in one matrix, or the activation in place, measured no faster.</remarks>
internal sealed class DenseSwiGlu : nn.Module<Tensor, Tensor>
{
    public const string Name = "dense";

    private readonly SwiGlu _layer;

    public DenseSwiGlu(LayerShape shape, ScalarType type, Device device)
        : base(nameof(DenseSwiGlu))
    {
        _layer = new SwiGlu(shape.Hidden, shape.TopK * shape.Ffn, type, device);
        RegisterComponents();
    }

    /// <summary>Takes the weights of the first K experts, side by side.</summary>
    public void Take(LayerWeights weights, int topK)
    {
        using var noGrad = no_grad();
        using var scope = NewDisposeScope();
        _layer.Take(
            weights.Gate.narrow(0, 0, topK).flatten(0, 1), weights.Up.narrow(0, 0, topK).flatten(0, 1), cat([.. weights.Down.narrow(0, 0, topK).unbind()], 1));
    }

    public override Tensor forward(Tensor tokens) => _layer.forward(tokens);
}
