using Moe.Core;
using static TorchSharp.torch;

namespace Moe.Classical;

/// <summary>What a gate is fitted to: rows, and for each what its experts said and how well that went. Holds no tensors.</summary>
internal sealed record GateProblem
{
    /// <summary>Logarithms of densities count as at least this, so that a row that no expert makes possible has a loss still.</summary>
    private const double Least = -700;

    public required GatedLoss Loss { get; init; }

    /// <summary>K.</summary>
    public required int Experts { get; init; }

    /// <summary>Dout.</summary>
    public required int Width { get; init; }

    /// <summary>Dz.</summary>
    public required int Columns { get; init; }

    /// <summary>z, [n, Dz].</summary>
    public required double[] Rows { get; init; }

    /// <summary>w, [n], above 0.</summary>
    public required double[] Weights { get; init; }

    /// <summary>log p(y), [n, K].</summary>
    public required double[] LogDensities { get; init; }

    /// <summary>f, [n, K, Dout].</summary>
    public required double[] Outputs { get; init; }

    /// <summary>y as experts answer it, [n, Dout].</summary>
    public required double[] Targets { get; init; }

    /// <summary>c, [n, K].</summary>
    public required double[] Costs { get; init; }

    /// <summary>By which a loss is divided before a penalty is added.</summary>
    public double Unit { get; init; } = 1;

    /// <summary>n.</summary>
    public int Count => Weights.Length;

    /// <summary>The same for some rows.</summary>
    public GateProblem Select(ReadOnlySpan<long> rows) => this with
    {
        Rows = Picked(Rows, Columns, rows),
        Weights = Picked(Weights, 1, rows),
        LogDensities = Picked(LogDensities, Experts, rows),
        Outputs = Picked(Outputs, Experts * Width, rows),
        Targets = Picked(Targets, Width, rows),
        Costs = Picked(Costs, Experts, rows),
    };

    /// <summary>The loss of one row, and its gradient by the gate's linear functions.</summary>
    /// <param name="row">Which.</param>
    /// <param name="log">log g, [K].</param>
    /// <param name="gradient">[K]; empty if it is not wanted.</param>
    public double LossOf(int row, ReadOnlySpan<double> log, Span<double> gradient) => Loss switch
    {
        GatedLoss.MixtureLikelihood => LikelihoodOf(row, log, gradient),
        GatedLoss.BlendedError => ErrorOf(row, log, gradient),
        _ => CostOf(row, log, gradient),
    };

    /// <summary>The weighted mean loss of a gate, [n, K] of log g.</summary>
    public double MeanLoss(ReadOnlySpan<double> logs)
    {
        var (sum, total) = (0.0, 0.0);
        for (var row = 0; row < Count; row++)
        {
            sum += Weights[row] * LossOf(row, logs.Slice(row * Experts, Experts), []);
            total += Weights[row];
        }
        return sum / total;
    }

    /// <summary>The mean loss of a gate.</summary>
    public double MeanLoss(IGate gate)
    {
        using var scope = NewDisposeScope();
        return MeanLoss(LogGates(gate));
    }

    /// <summary>log g of every row, [n, K]; lives as long as the caller's scope.</summary>
    public ReadOnlySpan<double> LogGates(IGate gate) => HostMemory.Of<double>(gate.LogProbabilities(tensor(Rows, [Count, Columns])));

    /// <summary>r = g p(y) / Σ g p(y), [n, K].</summary>
    public double[] Responsibilities(ReadOnlySpan<double> logs)
    {
        var shares = new double[Count * Experts];
        for (var place = 0; place < shares.Length; place++)
            shares[place] = logs[place] + Math.Max(LogDensities[place], Least);
        for (var start = 0; start < shares.Length; start += Experts)
        {
            if (double.IsInfinity(LogSum.ToShares(shares.AsSpan(start, Experts))))
                throw new InvalidOperationException($"The gate gives no expert of row {start / Experts} a probability.");
        }
        return shares;
    }

    private double LikelihoodOf(int row, ReadOnlySpan<double> log, Span<double> gradient)
    {
        var densities = LogDensities.AsSpan(row * Experts, Experts);
        var greatest = double.NegativeInfinity;
        for (var expert = 0; expert < log.Length; expert++)
            greatest = Math.Max(greatest, log[expert] + Math.Max(densities[expert], Least));
        var sum = 0.0;
        for (var expert = 0; expert < log.Length; expert++)
            sum += Math.Exp(log[expert] + Math.Max(densities[expert], Least) - greatest);
        for (var expert = 0; expert < gradient.Length; expert++)
            gradient[expert] = Math.Exp(log[expert]) - (Math.Exp(log[expert] + Math.Max(densities[expert], Least) - greatest) / sum);
        return -greatest - Math.Log(sum);
    }

    private double ErrorOf(int row, ReadOnlySpan<double> log, Span<double> gradient)
    {
        var outputs = Outputs.AsSpan(row * Experts * Width, Experts * Width);
        var loss = 0.0;
        gradient.Clear();
        for (var column = 0; column < Width; column++)
        {
            var blend = 0.0;
            for (var expert = 0; expert < log.Length; expert++)
                blend += Math.Exp(log[expert]) * outputs[(expert * Width) + column];
            var error = blend - Targets[(row * Width) + column];
            loss += error * error;
            for (var expert = 0; expert < gradient.Length; expert++)
                gradient[expert] += 2 * Math.Exp(log[expert]) * error * (outputs[(expert * Width) + column] - blend);
        }
        return loss;
    }

    private double CostOf(int row, ReadOnlySpan<double> log, Span<double> gradient)
    {
        var costs = Costs.AsSpan(row * Experts, Experts);
        var cost = 0.0;
        for (var expert = 0; expert < log.Length; expert++)
            cost += Math.Exp(log[expert]) * costs[expert];
        for (var expert = 0; expert < gradient.Length; expert++)
            gradient[expert] = Math.Exp(log[expert]) * (costs[expert] - cost);
        return cost;
    }

    private static double[] Picked(double[] values, int width, ReadOnlySpan<long> rows)
    {
        if (values.Length == 0)
            return values;
        var some = new double[rows.Length * width];
        for (var place = 0; place < rows.Length; place++)
            values.AsSpan((int)rows[place] * width, width).CopyTo(some.AsSpan(place * width));
        return some;
    }
}
