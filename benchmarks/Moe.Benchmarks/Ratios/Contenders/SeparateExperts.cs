using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Moe.Benchmarks.Ratios.Contenders;

/// <summary>A mixture whose experts are modules of their own, and the two ways in which published code goes through them.</summary>
internal sealed class SeparateExperts : nn.Module
{
    private readonly Linear _router;
    private readonly ModuleList<SwiGlu> _experts;
    private readonly int _topK;

    public SeparateExperts(LayerShape shape, ScalarType type, Device device)
        : base(nameof(SeparateExperts))
    {
        _topK = shape.TopK;
        // In Float32 whatever the experts are, as ours is: otherwise roundings would send tokens to other experts.
        _router = nn.Linear(shape.Hidden, shape.Experts, hasBias: false, device: device, dtype: ScalarType.Float32);
        _experts = [.. Enumerable.Range(0, shape.Experts).Select(_ => new SwiGlu(shape.Hidden, shape.Ffn, type, device))];
        RegisterComponents();
    }

    public IList<SwiGlu> Experts => _experts;

    public void Take(LayerWeights weights)
    {
        using var noGrad = no_grad();
        using var scope = NewDisposeScope();
        _router.weight.copy_(weights.Router);
        for (var expert = 0; expert < _experts.Count; expert++)
            _experts[expert].Take(weights.Gate[expert], weights.Up[expert], weights.Down[expert]);
    }

    /// <summary>Logits → softmax in Float32 → top-k → weights that sum to 1 again, as in Mixtral.</summary>
    /// <returns>Weights, of the tokens' type, and indices, both [n, K]; they belong to the caller's scope.</returns>
    public (Tensor Weights, Tensor Indices) Route(Tensor tokens)
    {
        var (best, indices) = nn.functional.softmax(Logits(tokens), 1).topk(_topK, dim: -1);
        return ((best / best.sum(-1, keepdim: true)).to(tokens.dtype), indices);
    }

    /// <summary>[n, E], Float32.</summary>
    public Tensor Logits(Tensor tokens) => _router.forward(tokens.to(ScalarType.Float32));
}
