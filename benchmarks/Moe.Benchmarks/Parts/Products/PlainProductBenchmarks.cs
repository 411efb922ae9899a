using BenchmarkDotNet.Attributes;
using Moe.Core;
using static TorchSharp.torch;

namespace Moe.Benchmarks.Parts.Products;

/// <summary>a · W, which brings gradients back to the rows.</summary>
[MemoryDiagnoser]
[UpToRows(nameof(FewRows), WeightedSums.Most)]
public unsafe class PlainProductBenchmarks : ProductBenchmarks
{
    private protected override Tensor ByTorch(Tensor weight) => Input.Matrix.mm(weight);

    private protected override void ByFewRows(float* weight) => WeightedSums.Multiply(Input.Rows, Rows, weight, Side, Side, 0, Side, Other.First, Side);

    private protected override void ByPanels(float* weight) => PanelProducts.With(Input.Rows, Rows, weight, Side, Side, 0, Side, Other.First, Side);

    private protected override RowMatrix Result(RowMatrix weight) => Other;
}
