using Moe.Core;
using static TorchSharp.torch;

namespace Moe.Classical;

/// <summary>Trains machines on sets of the same rows, sharing their kernel matrix where that is small enough.</summary>
/// <param name="rows">[n, D], scaled.</param>
/// <param name="labels">The class of each row, from 0 to K - 1.</param>
/// <param name="classes">K.</param>
/// <param name="costs">Cᵢ of each row, above 0.</param>
/// <param name="kernel">The kernel.</param>
/// <param name="options">Tolerance and most steps.</param>
/// <param name="cancellation">Ends it.</param>
internal sealed class MachineTrainer(
    Tensor rows, int[] labels, int classes, double[] costs, MachineKernel kernel, VectorMachineOptions options, CancellationToken cancellation)
{
    // The whole matrix takes up to 128 MiB; with more rows, rows of it are made as they are needed.
    private const int MostRowsOfMatrix = 4096;
    private const long CacheBytes = 256L << 20;

    private readonly double[] _norms = MachineKernel.Norms(rows);
    private Tensor? _matrix;

    /// <summary>Steps that all machines together took.</summary>
    public long Iterations { get; private set; }

    /// <summary>False if a machine stopped at the most steps.</summary>
    public bool Converged { get; private set; } = true;

    public int Pairs => classes * (classes - 1) / 2;

    /// <summary>One machine a pair. Where a class has no member, its pairs decide ±1 for the other class, or 0 where neither has one.</summary>
    /// <returns>Machines whose tensors belong to the caller's dispose scope.</returns>
    public PairMachines Train(int[] members)
    {
        var ofClass = new int[classes][];
        for (var label = 0; label < classes; label++)
            ofClass[label] = [.. members.Where(row => labels[row] == label)];
        var coefficients = new double[labels.Length * Pairs];
        var bias = new double[Pairs];
        var pair = 0;
        for (var first = 0; first < classes; first++)
        {
            for (var second = first + 1; second < classes; second++, pair++)
            {
                int[] both = [.. ofClass[first], .. ofClass[second]];
                if (ofClass[first].Length == 0 || ofClass[second].Length == 0)
                {
                    bias[pair] = Math.Sign(ofClass[first].Length - ofClass[second].Length);
                    continue;
                }
                var solution = Solve(both, ofClass[first].Length);
                bias[pair] = solution.Bias;
                for (var place = 0; place < both.Length; place++)
                    coefficients[(both[place] * Pairs) + pair] = solution.Coefficients[place];
            }
        }
        return Machines(coefficients, bias);
    }

    private DualSolution Solve(int[] both, int ofFirst)
    {
        using var scope = NewDisposeScope();
        var upper = new double[both.Length];
        var lower = new double[both.Length];
        var norms = new double[both.Length];
        var diagonal = new double[both.Length];
        for (var place = 0; place < both.Length; place++)
        {
            norms[place] = _norms[both[place]];
            diagonal[place] = kernel.Self(norms[place]);
            if (place < ofFirst)
                upper[place] = costs[both[place]];
            else
                lower[place] = -costs[both[place]];
        }
        Action<int, double[]> fill;
        if (labels.Length <= MostRowsOfMatrix)
        {
            var matrix = _matrix ??= scope.MoveToOuter(kernel.Between(rows, _norms, rows, _norms)).DetachFromDisposeScope();
            fill = (row, target) =>
            {
                var line = HostMemory.Of<double>(matrix).Slice(both[row] * labels.Length, labels.Length);
                for (var place = 0; place < target.Length; place++)
                    target[place] = line[both[place]];
            };
        }
        else
        {
            var own = rows.index_select(0, tensor(both.Select(row => (long)row).ToArray()));
            fill = (row, target) =>
            {
                using var vector = own.narrow(0, row, 1);
                using var line = kernel.Between(vector, norms.AsSpan(row, 1), own, norms);
                HostMemory.Of<double>(line).CopyTo(target);
            };
        }
        var solution = DualSolver.Solve(new KernelRowCache(diagonal, fill, CacheBytes), upper, lower, options.Tolerance, options.MaxIterations, cancellation);
        Iterations += solution.Iterations;
        Converged &= solution.Converged;
        return solution;
    }

    /// <summary>Frees the kernel matrix.</summary>
    public void Release()
    {
        _matrix?.Dispose();
        _matrix = null;
    }

    private PairMachines Machines(double[] coefficients, double[] bias)
    {
        using var scope = NewDisposeScope();
        var vectors = new List<long>();
        for (var row = 0; row < labels.Length; row++)
        {
            if (coefficients.AsSpan(row * Pairs, Pairs).ContainsAnyExcept(0))
                vectors.Add(row);
        }
        if (vectors.Count == 0)
            vectors.Add(0);
        var index = tensor(vectors.ToArray());
        var support = rows.index_select(0, index);
        var columns = tensor(coefficients).view(labels.Length, Pairs).index_select(0, index);
        return kernel.Kind == VectorMachineKernel.Linear
            ? new PairMachines(kernel, null, scope.MoveToOuter(support.t().matmul(columns).contiguous()), bias)
            : new PairMachines(kernel, scope.MoveToOuter(support), scope.MoveToOuter(columns), bias);
    }
}
