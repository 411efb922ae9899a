using BenchmarkDotNet.Attributes;
using Moe.Core;
using static TorchSharp.torch;

namespace Moe.Benchmarks.Parts;

/// <summary>From tokens to experts and weights: 64 experts, of which each token gets 8. Ours counts, checks and keeps what balancing needs besides.</summary>
[MemoryDiagnoser]
public class GateBenchmarks
{
    private const int Width = 512;
    private const int Experts = 64;
    private const int TopK = 8;

    private GatingNetwork _gate = null!;
    private Tensor _tokens = null!;

    [Params(1, 64, 1024, 4096)]
    public int Tokens { get; set; }

    [GlobalSetup]
    public void Setup()
    {
        random.manual_seed(1);
        _gate = new GatingNetwork(new GatingOptions { InputWidth = Width, ExpertCount = Experts, TopK = TopK });
        _tokens = randn(Tokens, Width);

        using var noGrad = no_grad();
        using var scope = NewDisposeScope();
        using var decision = _gate.Route(_tokens);
        var (probabilities, best, weights) = ByTorch();
        // By what the chosen ones are worth, not by who they are: of two that are worth the same either will do.
        PartAgreement.Require(nameof(Route), probabilities.gather(1, decision.Indices), best);
        PartAgreement.Require(nameof(Route), decision.Weights, weights);
    }

    [GlobalCleanup]
    public void Cleanup()
    {
        _gate.Dispose();
        _tokens.Dispose();
    }

    [Benchmark(Baseline = true)]
    public void Torch()
    {
        using var noGrad = no_grad();
        using var scope = NewDisposeScope();
        ByTorch();
    }

    [Benchmark]
    public void Route()
    {
        using var noGrad = no_grad();
        _gate.Route(_tokens).Dispose();
    }

    private (Tensor Probabilities, Tensor Best, Tensor Weights) ByTorch()
    {
        var probabilities = nn.functional.softmax(nn.functional.linear(_tokens, _gate.Weight), 1);
        var (best, _) = probabilities.topk(TopK, dim: -1);
        return (probabilities, best, best / best.sum(-1, keepdim: true));
    }
}
