using BenchmarkDotNet.Attributes;
using static TorchSharp.torch;

namespace Moe.Benchmarks.Parts.Products;

/// <summary>
/// One of the products of an expert's rows with a weight of 512 × 512, on one thread: by torch, by the loops for few rows, and by panels. Where one begins to be faster than another is what
/// the limits in RowProducts say.
/// </summary>
public abstract unsafe class ProductBenchmarks
{
    private protected const int Side = 512;

    /// <summary>Weights of 1 MB, taken in turns: the caches would keep one that is asked for again at once, and in a layer others come between.</summary>
    private const int Weights = 24;

    private readonly RowMatrix[] _weights = new RowMatrix[Weights];
    private int _turn;
    private int _usualThreads;

    [Params(2, 3, 4, 8, 12, 16, 24, 32, 48, 64, 96, 128, 256)]
    public int Rows { get; set; }

    /// <summary>What is multiplied, [Rows, 512].</summary>
    private protected RowMatrix Input { get; private set; } = null!;

    /// <summary>The result where it has as many rows; the second factor where it is a weight's gradient. [Rows, 512].</summary>
    private protected RowMatrix Other { get; private set; } = null!;

    [GlobalSetup]
    public void Setup()
    {
        random.manual_seed(1);
        for (var weight = 0; weight < Weights; weight++)
            _weights[weight] = new RowMatrix(Side, Side);
        (Input, Other) = (new RowMatrix(Rows, Side), new RowMatrix(Rows, Side));
        Check(nameof(FewRows), ByFewRows);
        Check(nameof(Panels), ByPanels);

        _usualThreads = get_num_threads();
        set_num_threads(1);
    }

    [GlobalCleanup]
    public void Cleanup()
    {
        set_num_threads(_usualThreads);
        foreach (var weight in _weights)
            weight.Dispose();
        Input.Dispose();
        Other.Dispose();
    }

    [Benchmark(Baseline = true)]
    public void Torch()
    {
        using var scope = NewDisposeScope();
        ByTorch(Next().Matrix);
    }

    [Benchmark]
    public void FewRows() => ByFewRows(Next().First);

    [Benchmark]
    public void Panels() => ByPanels(Next().First);

    /// <summary>The result, by torch's product: in memory of its own, or in that of the weight where it is a weight's gradient.</summary>
    private protected abstract Tensor ByTorch(Tensor weight);

    private protected abstract void ByFewRows(float* weight);

    private protected abstract void ByPanels(float* weight);

    /// <summary>Where ours writes to.</summary>
    private protected abstract RowMatrix Result(RowMatrix weight);

    private RowMatrix Next() => _weights[_turn = (_turn + 1) % Weights];

    private void Check(string name, Multiply way)
    {
        using var scope = NewDisposeScope();
        var weight = Next();
        var expected = ByTorch(weight.Matrix).clone();
        Result(weight).Matrix.fill_(float.NaN);
        way(weight.First);
        PartAgreement.Require(name, Result(weight).Matrix, expected);
    }

    private delegate void Multiply(float* weight);
}
