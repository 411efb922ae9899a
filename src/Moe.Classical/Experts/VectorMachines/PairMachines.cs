using Moe.Core;
using static TorchSharp.torch;

namespace Moe.Classical;

/// <summary>The two-class machines of all pairs of K classes, which share their support vectors: decides all pairs by one product.</summary>
internal sealed class PairMachines
{
    // 32 MB of kernel values at a time.
    private const long NumbersInBlock = 4_000_000;

    private readonly double[] _norms;

    /// <summary>Machines of tensors that become their own.</summary>
    /// <param name="kernel">The kernel.</param>
    /// <param name="support">[S, D], scaled; null for the linear kernel, whose planes are enough.</param>
    /// <param name="coefficients">[S, P], or of the linear kernel the planes [D, P]: one column a pair (0, 1), (0, 2) … (1, 2) …</param>
    /// <param name="bias">[P].</param>
    public PairMachines(MachineKernel kernel, Tensor? support, Tensor coefficients, double[] bias)
    {
        Kernel = kernel;
        Support = support;
        Coefficients = coefficients;
        Bias = bias;
        _norms = support is null ? [] : MachineKernel.Norms(support);
    }

    public MachineKernel Kernel { get; }

    public Tensor? Support { get; }

    public Tensor Coefficients { get; }

    public double[] Bias { get; }

    /// <summary>How many rows may be decided at once.</summary>
    public long RowsInBlock => Math.Max(1, NumbersInBlock / Math.Max(Coefficients.size(0), Coefficients.size(1)));

    /// <summary>Keeps the tensors when the dispose scope ends in which they were made.</summary>
    public PairMachines Keep()
    {
        Support?.DetachFromDisposeScope();
        Coefficients.DetachFromDisposeScope();
        return this;
    }

    /// <summary>Decides scaled rows [n, D] into [n, P], row by row: above 0 for the first class of the pair. Never NaN.</summary>
    public void Decide(Tensor scaled, Span<double> values)
    {
        using var scope = NewDisposeScope();
        var count = scaled.size(0);
        var pairs = Bias.Length;
        for (long start = 0; start < count; start += RowsInBlock)
        {
            using var block = NewDisposeScope();
            var rows = scaled.narrow(0, start, Math.Min(RowsInBlock, count - start));
            var likeness = Support is null ? rows : Kernel.Between(rows, MachineKernel.Norms(rows), Support, _norms);
            var products = HostMemory.Of<double>(likeness.matmul(Coefficients).contiguous());
            var target = values.Slice((int)start * pairs, products.Length);
            for (var place = 0; place < products.Length; place++)
            {
                // Rows far outside all that was learned from can give ∞ - ∞: no opinion.
                var value = products[place] + Bias[place % pairs];
                target[place] = double.IsNaN(value) ? 0 : value;
            }
        }
    }
}
