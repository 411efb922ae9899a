using BenchmarkDotNet.Attributes;
using Moe.Core;
using static TorchSharp.torch;

namespace Moe.Benchmarks;

/// <summary>
/// A mixture (8 SwiGLU experts of width 1024, top-2) against one dense SwiGLU layer of width 2048: the same active parameters a token.
/// The ratio is what routing, dispatch and reading more weights cost.
/// </summary>
[MemoryDiagnoser]
public class LayerBenchmarks
{
    private const int Width = 512;
    private const int HiddenWidth = 1024;
    private const int TopK = 2;

    private MixtureOfExperts _mixture = null!;
    private GatedFeedForwardExpert _dense = null!;
    private Tensor _tokens = null!;

    [Params(1, 64, 1024)]
    public int Tokens { get; set; }

    [GlobalSetup]
    public void Setup()
    {
        var options = new GatedFeedForwardOptions { InputWidth = Width, HiddenWidth = HiddenWidth };
        var gate = new GatingNetwork(new GatingOptions { InputWidth = Width, ExpertCount = 8, TopK = TopK });
        _mixture = new MixtureOfExperts(gate, StackedExperts.GatedFeedForward(8, options));
        _dense = new GatedFeedForwardExpert(options with { HiddenWidth = TopK * HiddenWidth });
        _tokens = randn(Tokens, Width);
    }

    [GlobalCleanup]
    public void Cleanup()
    {
        _mixture.Dispose();
        _dense.Dispose();
        _tokens.Dispose();
    }

    [Benchmark(Baseline = true)]
    public void Dense() => Forward(_dense);

    [Benchmark]
    public void Mixture() => Forward(_mixture);

    [Benchmark]
    public void DenseTraining() => Train(_dense);

    [Benchmark]
    public void MixtureTraining() => Train(_mixture);

    private void Forward(nn.Module<Tensor, Tensor> layer)
    {
        using var noGrad = no_grad();
        layer.forward(_tokens).Dispose();
    }

    private void Train(nn.Module<Tensor, Tensor> layer)
    {
        using var scope = NewDisposeScope();
        layer.zero_grad();
        layer.forward(_tokens).square().mean().backward();
    }
}
