namespace Moe.Core;

/// <summary>Adds numbers up over the processes that train one model together. Moe has no network code: bring your own.</summary>
public interface IProcessSum
{
    /// <summary>The number of processes, at least 1.</summary>
    int ProcessCount { get; }

    /// <summary>Replaces each value by its sum over all processes. All processes call it equally often, with as many values.</summary>
    /// <param name="values">Counts and means, in an order that is the same in every process.</param>
    void Sum(Span<double> values);
}
