namespace Moe.Core;

/// <summary>A routing decision, or several of one layer, in plain numbers: no tensors, nothing to dispose.</summary>
/// <remarks>Immutable. Reports of several batches add up with <see cref="Combine"/>; counts are sums, everything else comes from them.</remarks>
public sealed class RoutingReport
{
    private RoutingReport(long[] load, long[] assigned, long tokens, int topK)
    {
        Load = load;
        Assigned = assigned;
        Tokens = tokens;
        TopK = topK;
        var all = assigned.Sum();
        Share = [.. assigned.Select(count => count == 0 ? 0 : (double)count / all)];
    }

    /// <summary>Rows computed by each expert, [E].</summary>
    public IReadOnlyList<long> Load { get; }

    /// <summary>Assignments the gate made to each expert, before capacity dropped any, [E].</summary>
    public IReadOnlyList<long> Assigned { get; }

    /// <summary>Real tokens routed.</summary>
    public long Tokens { get; }

    /// <summary>K, the most assignments that a token can have: some routers choose fewer for some tokens, and a schedule may have changed K between the batches.</summary>
    public int TopK { get; }

    /// <summary>E.</summary>
    public int ExpertCount => Load.Count;

    /// <summary>Share of all assignments that went to each expert, [E]; sums to 1, or all 0 when nothing was assigned.</summary>
    public IReadOnlyList<double> Share { get; }

    /// <summary>Entropy of <see cref="Share"/> in nats: ln E when all experts get the same, 0 when one gets all.</summary>
    public double Entropy => Share.Sum(share => share > 0 ? -share * Math.Log(share) : 0);

    /// <summary>Standard deviation of <see cref="Share"/> over its mean (population variance): 0 when all get the same, √(E-1) when one gets all.</summary>
    public double CoefficientOfVariation
    {
        get
        {
            var mean = 1.0 / ExpertCount;
            return Assigned.Sum() == 0 ? 0 : Math.Sqrt(Share.Average(share => (share - mean) * (share - mean))) / mean;
        }
    }

    /// <summary>The largest share over the mean share: 1 when all get the same, E when one gets all.</summary>
    public double MaxOverMean => Share.Max() * ExpertCount;

    /// <summary>Share of assignments dropped because their expert was full, 0 to 1.</summary>
    public double DroppedShare => Assigned.Sum() == 0 ? 0 : 1 - (double)Load.Sum() / Assigned.Sum();

    /// <summary>Indices of the experts that were assigned nothing.</summary>
    public IReadOnlyList<int> DeadExperts => [.. Enumerable.Range(0, ExpertCount).Where(expert => Assigned[expert] == 0)];

    /// <summary>The report of one decision.</summary>
    /// <param name="decision">What a gate decided. Not disposed, and not needed afterwards.</param>
    /// <returns>Its numbers; nothing is read from the device.</returns>
    public static RoutingReport From(RoutingDecision decision)
    {
        ArgumentNullException.ThrowIfNull(decision);
        return new RoutingReport([.. decision.Load], [.. decision.Assigned], decision.ValidTokens, decision.TopK);
    }

    /// <summary>A report from counts, such as one read back from a file.</summary>
    /// <param name="load">Rows computed by each expert, [E].</param>
    /// <param name="assigned">Assignments made to each expert, [E].</param>
    /// <param name="tokens">Real tokens routed.</param>
    /// <param name="topK">K.</param>
    /// <returns>The report.</returns>
    /// <exception cref="ArgumentException">The counts contradict each other.</exception>
    public static RoutingReport FromCounts(IReadOnlyList<long> load, IReadOnlyList<long> assigned, long tokens, int topK)
    {
        ArgumentNullException.ThrowIfNull(load);
        ArgumentNullException.ThrowIfNull(assigned);
        new OptionFailures(nameof(RoutingReport))
            .Require(load.Count >= 1 && load.Count == assigned.Count, $"load ({load.Count}) and assigned ({assigned.Count}) must have one count an expert.")
            .Require(load.Zip(assigned).All(pair => pair.First >= 0 && pair.First <= pair.Second), "No expert can have computed more than was assigned to it, or less than 0.")
            .Require(tokens >= 0 && topK >= 1 && assigned.Sum() <= tokens * topK, $"assigned ({assigned.Sum()} in all) must be at most tokens ({tokens}) times topK ({topK}).")
            .ThrowIfAny(nameof(assigned));
        return new RoutingReport([.. load], [.. assigned], tokens, topK);
    }

    /// <summary>The report of several batches of one layer together.</summary>
    /// <param name="reports">At least one, all with the same number of experts; K may differ.</param>
    /// <returns>Their sum.</returns>
    /// <exception cref="ArgumentException">There is none, or they are of different layers.</exception>
    public static RoutingReport Combine(IEnumerable<RoutingReport> reports)
    {
        ArgumentNullException.ThrowIfNull(reports);
        var all = reports.ToArray();
        if (all.Length == 0)
            throw new ArgumentException("Expected at least 1 report, got 0.", nameof(reports));
        var first = all[0];
        if (all.FirstOrDefault(report => report.ExpertCount != first.ExpertCount) is { } other)
            throw new ArgumentException($"Expected reports of one layer ({first.ExpertCount} experts), got one with {other.ExpertCount} experts.", nameof(reports));
        return new RoutingReport(
            [.. Enumerable.Range(0, first.ExpertCount).Select(expert => all.Sum(report => report.Load[expert]))],
            [.. Enumerable.Range(0, first.ExpertCount).Select(expert => all.Sum(report => report.Assigned[expert]))],
            all.Sum(report => report.Tokens),
            all.Max(report => report.TopK));
    }

    /// <summary>One line for a log.</summary>
    /// <returns>Tokens, entropy, balance and what was dropped.</returns>
    public override string ToString() =>
        string.Create(System.Globalization.CultureInfo.InvariantCulture,
            $"{Tokens} tokens, top-{TopK} of {ExpertCount}: entropy {Entropy:0.000} of {Math.Log(ExpertCount):0.000}, max/mean {MaxOverMean:0.00}, dropped {DroppedShare:0.0%}, dead {DeadExperts.Count}");
}
