using BenchmarkDotNet.Attributes;
using Moe.Core;
using static TorchSharp.torch;

namespace Moe.Benchmarks.Parts;

/// <summary>
/// The experts alone, 16 SwiGLUs with equally many rows each, from tokens to the rows' answers. The loop over torch's products is what separate modules would do; each other way computes
/// all experts in one call.
/// </summary>
/// <remarks>All weights together are 25 MB: too many for each to be in a core's caches when its turn comes.</remarks>
[MemoryDiagnoser]
public class ExpertsBenchmarks
{
    private const int Width = 512;
    private const int HiddenWidth = 256;
    private const int Experts = 16;

    private RoutedTokens _routed = null!;
    private StackedExperts _stack = null!;
    private long[] _counts = null!;
    private (Tensor Rows, Tensor In, Tensor Out)[] _separate = null!;

    /// <summary>Of each expert.</summary>
    [Params(1, 4, 8, 16, 32, 48, 64, 96, 128, 256, 512)]
    public int Rows { get; set; }

    [GlobalSetup]
    public void Setup()
    {
        random.manual_seed(1);
        _stack = StackedExperts.GatedFeedForward(Experts, new GatedFeedForwardOptions { InputWidth = Width, HiddenWidth = HiddenWidth });
        _routed = RoutedTokens.Evenly(Rows, Width, Experts);
        _counts = [.. _routed.Decision.Load];

        using var noGrad = no_grad();
        _separate = [.. _routed.TokenOfRow.chunk(Experts).Zip(_stack.Weight(0).unbind(0), _stack.Weight(1).unbind(0))];
        using var scope = NewDisposeScope();
        var expected = cat(ByTorch());
        PartAgreement.Require(nameof(Loops), ByLoops(), expected);
        PartAgreement.Require(nameof(Products), ByProducts(), expected);
        PartAgreement.Require(nameof(Padded), By(PaddedProducts.Instance), expected);
        PartAgreement.Require(nameof(Grouped), By(GroupedProducts.Instance), expected);
    }

    [GlobalCleanup]
    public void Cleanup()
    {
        foreach (var (rows, weightIn, weightOut) in _separate)
        {
            rows.Dispose();
            weightIn.Dispose();
            weightOut.Dispose();
        }
        _routed.Dispose();
        _stack.Dispose();
    }

    [Benchmark(Baseline = true)]
    public void Torch()
    {
        using var noGrad = no_grad();
        using var scope = NewDisposeScope();
        ByTorch();
    }

    /// <summary>Loops of our own: what a layer in Float32 does.</summary>
    [Benchmark]
    public void Loops()
    {
        using var noGrad = no_grad();
        using var answers = ByLoops();
    }

    /// <summary>Torch's products, several experts at once: what a layer in another type does.</summary>
    [Benchmark]
    public void Products()
    {
        using var noGrad = no_grad();
        using var answers = ByProducts();
    }

    /// <summary>One batched product: what a stack does beside other experts.</summary>
    [Benchmark]
    public void Padded()
    {
        using var noGrad = no_grad();
        using var scope = NewDisposeScope();
        By(PaddedProducts.Instance);
    }

    /// <summary>Torch's grouped product: what a stack does on a GPU.</summary>
    [Benchmark]
    public void Grouped()
    {
        using var noGrad = no_grad();
        using var scope = NewDisposeScope();
        By(GroupedProducts.Instance);
    }

    private Tensor[] ByTorch()
    {
        return [.. _separate.Select(expert => Answer(expert.Rows, expert.In, expert.Out))];

        Tensor Answer(Tensor rows, Tensor weightIn, Tensor weightOut)
        {
            var both = nn.functional.linear(_routed.Tokens.index_select(0, rows), weightIn);
            return nn.functional.linear(nn.functional.silu(both.narrow(1, 0, HiddenWidth)).mul(both.narrow(1, HiddenWidth, HiddenWidth)), weightOut);
        }
    }

    private Tensor ByLoops()
    {
        var answers = empty(_routed.Plan.Rows, Width);
        FloatExperts.Forward(Call(), kept: null, answers);
        return answers;
    }

    private Tensor ByProducts()
    {
        var answers = empty(_routed.Plan.Rows, Width);
        TorchExperts.Forward(Call(), kept: null, answers);
        return answers;
    }

    private Tensor By(StackProducts products) => products.Answer(_stack, _routed.Tokens.index_select(0, _routed.TokenOfRow), _counts);

    private SwiGluCall Call() => new(_routed.Tokens, _routed.Decision.Weights, _stack.Weight(0), _stack.Weight(1), _routed.Plan);
}
