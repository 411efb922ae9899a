using BenchmarkDotNet.Attributes;
using Moe.Core;
using static TorchSharp.torch;

namespace Moe.Benchmarks.Parts;

/// <summary>Assignments by expert: counting against torch's stable sort. 64 experts, of which each token gets 8.</summary>
[MemoryDiagnoser]
public class DispatchBenchmarks
{
    private const int Width = 512;
    private const int Experts = 64;
    private const int TopK = 8;

    private RoutedTokens _routed = null!;

    [Params(1, 64, 1024, 4096)]
    public int Tokens { get; set; }

    [GlobalSetup]
    public void Setup()
    {
        _routed = RoutedTokens.ByGate(Tokens, Width, Experts, TopK);

        using var scope = NewDisposeScope();
        var (ours, expected) = (AssignmentOrder.Of(_routed.Decision), AssignmentOrder.Sorted(_routed.Decision));
        PartAgreement.Require(nameof(Counting), ours.Assignments, expected.Assignments);
        PartAgreement.Require(nameof(Counting), ours.RowOf, expected.RowOf);
    }

    [GlobalCleanup]
    public void Cleanup() => _routed.Dispose();

    [Benchmark(Baseline = true)]
    public void Torch()
    {
        using var scope = NewDisposeScope();
        AssignmentOrder.Sorted(_routed.Decision);
    }

    [Benchmark]
    public void Counting()
    {
        using var scope = NewDisposeScope();
        AssignmentOrder.Of(_routed.Decision);
    }
}
