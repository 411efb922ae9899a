using BenchmarkDotNet.Attributes;
using Moe.Core;
using static TorchSharp.torch;

namespace Moe.Benchmarks.Parts;

/// <summary>
/// From answers back to tokens: each token gets the weighted sum of its 8 rows. Torch's ways are a lookup by token with one batched product, and adding row by row to where it belongs.
/// </summary>
[MemoryDiagnoser]
public class CombineBenchmarks
{
    private const int Width = 512;
    private const int Experts = 64;
    private const int TopK = 8;

    private RoutedTokens _routed = null!;
    private Tensor _answers = null!;

    [Params(1, 64, 1024, 4096)]
    public int Tokens { get; set; }

    [GlobalSetup]
    public void Setup()
    {
        _routed = RoutedTokens.ByGate(Tokens, Width, Experts, TopK);
        _answers = randn(_routed.Plan.Rows, Width);

        using var scope = NewDisposeScope();
        var expected = ByProduct();
        PartAgreement.Require(nameof(IndexAdd), ByIndexAdd(), expected);
        PartAgreement.Require(nameof(Sums), TokenSums.Of(_answers, _routed.Decision.Weights, _routed.Plan), expected);
    }

    [GlobalCleanup]
    public void Cleanup()
    {
        _routed.Dispose();
        _answers.Dispose();
    }

    [Benchmark(Baseline = true)]
    public void Torch()
    {
        using var scope = NewDisposeScope();
        ByProduct();
    }

    /// <summary>Torch's other way, which published code takes.</summary>
    [Benchmark]
    public void IndexAdd()
    {
        using var scope = NewDisposeScope();
        ByIndexAdd();
    }

    [Benchmark]
    public void Sums() => TokenSums.Of(_answers, _routed.Decision.Weights, _routed.Plan).Dispose();

    private Tensor ByProduct()
    {
        var byToken = _answers.index_select(0, _routed.Plan.RowOf).reshape(Tokens, TopK, Width);
        return _routed.Decision.Weights.unsqueeze(1).bmm(byToken).squeeze(1);
    }

    private Tensor ByIndexAdd()
    {
        var weights = _routed.Decision.Weights.reshape(-1).index_select(0, _routed.Plan.Assignments).unsqueeze(-1);
        return zeros(Tokens, Width).index_add_(0, _routed.TokenOfRow, _answers * weights, 1);
    }
}
