using Moe.Core;
using static TorchSharp.torch;

namespace Moe.Benchmarks.Ratios.Contenders;

/// <summary>All contenders of a layer on one device, with the same weights, each in memory of its own.</summary>
internal sealed class Lineup : IDisposable
{
    private readonly MixtureOfExperts _mixture;
    private readonly DenseSwiGlu _dense;
    private readonly SeparateExperts _separate;

    public Lineup(LayerShape shape, ScalarType type, Device device)
    {
        random.manual_seed(1);
        _mixture = Mixture.Build(shape, type, device);
        _dense = new DenseSwiGlu(shape, type, device);
        _separate = new SeparateExperts(shape, type, device);
        var weights = LayerWeights.Of(_mixture);
        _dense.Take(weights, shape.TopK);
        _separate.Take(weights);

        Ours = new Contender(Mixture.Name, _mixture, _mixture.forward);
        Dense = new Contender(DenseSwiGlu.Name, _dense, _dense.forward);
        Loop = new Contender(ExpertLoop.Name, _separate, tokens => ExpertLoop.Forward(_separate, tokens));
        Textbook = new Contender(TextbookLoop.Name, _separate, tokens => TextbookLoop.Forward(_separate, tokens));
    }

    public Contender Ours { get; }

    public Contender Dense { get; }

    public Contender Loop { get; }

    public Contender Textbook { get; }

    /// <summary>How many experts the tokens are sent to, of all tokens together.</summary>
    public int ExpertsHit(Tensor tokens)
    {
        using var noGrad = no_grad();
        using var decision = _mixture.Gate.Route(tokens);
        return decision.Load.Count(load => load > 0);
    }

    /// <summary>How ours computes its experts for such tokens.</summary>
    public string Backend(Tensor tokens) => BackendName.Of(_mixture, tokens);

    /// <summary>The router's logits, [T, E].</summary>
    public Tensor Logits(Tensor tokens) => _separate.Logits(tokens);

    public void Dispose()
    {
        _mixture.Dispose();
        _dense.Dispose();
        _separate.Dispose();
    }
}
