using Moe.Core;

namespace Moe.Training.Tests;

/// <summary>Two processes, the other one of which is played by a function of what this one adds up.</summary>
internal sealed class GivenProcesses(Func<double[], double[]> other) : IProcessSum
{
    /// <summary>How many numbers were added up, call by call.</summary>
    public List<int> Lengths { get; } = [];

    public int ProcessCount => 2;

    /// <summary>The other one does what this one does.</summary>
    public static GivenProcesses Twin() => new(values => values);

    public void Sum(Span<double> values)
    {
        Lengths.Add(values.Length);
        var others = other(values.ToArray());
        for (var index = 0; index < values.Length; index++)
            values[index] += others[index];
    }
}
