using BenchmarkDotNet.Attributes;
using Moe.Core;
using static TorchSharp.torch;

namespace Moe.Benchmarks.Parts.Products;

/// <summary>x · Wᵀ, which the forward pass is made of.</summary>
[MemoryDiagnoser]
public unsafe class TransposedProductBenchmarks : ProductBenchmarks
{
    /// <summary>mm with the transposed.</summary>
    private protected override Tensor ByTorch(Tensor weight) => nn.functional.linear(Input.Matrix, weight);

    private protected override void ByFewRows(float* weight) => DotProducts.Multiply(Input.Rows, Rows, weight, Side, 0, Side, Other.First, Side);

    private protected override void ByPanels(float* weight) => PanelProducts.WithTransposed(Input.Rows, Rows, weight, Side, 0, Side, Other.First, Side);

    private protected override RowMatrix Result(RowMatrix weight) => Other;
}
