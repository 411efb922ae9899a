using BenchmarkDotNet.Attributes;
using Moe.Core;
using static TorchSharp.torch;

namespace Moe.Benchmarks.Parts.Products;

/// <summary>aᵀ · x, the gradient of a weight. Gradients take turns as weights do.</summary>
[MemoryDiagnoser]
public unsafe class GradientProductBenchmarks : ProductBenchmarks
{
    /// <summary>mm into memory that is there, as ours: with a factor of 0 nothing is added to, and what was there is not read.</summary>
    private protected override Tensor ByTorch(Tensor gradient) => gradient.addmm_(Input.Matrix.t(), Other.Matrix, beta: 0, alpha: 1);

    private protected override void ByFewRows(float* gradient) => OuterProducts.Sum(Input.Rows, Other.Rows, Rows, Side, 0, Side, gradient);

    private protected override void ByPanels(float* gradient) => PanelProducts.Gradient(Input.Rows, Other.Rows, Rows, Side, 0, Side, gradient);

    private protected override RowMatrix Result(RowMatrix gradient) => gradient;
}
