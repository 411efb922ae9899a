using System.Globalization;
using Moe.Core;
using static TorchSharp.torch;

namespace Moe.Classical;

/// <summary>A gate that gives every row the same probabilities: the mixing weights of a plain mixture.</summary>
public sealed class ConstantGate : IStoredGate
{
    internal const string Kind = "constant";
    private readonly double[] _log;

    /// <summary>A gate of given probabilities.</summary>
    /// <param name="probabilities">K of them, at least 0, with a sum above 0; scaled to a sum of 1.</param>
    /// <param name="inputWidth">The width of the rows, which it does not look at; at least 1.</param>
    /// <exception cref="ArgumentException">A probability is below 0 or not finite, or all are 0.</exception>
    public ConstantGate(IReadOnlyList<double> probabilities, long inputWidth)
    {
        ArgumentNullException.ThrowIfNull(probabilities);
        ArgumentOutOfRangeException.ThrowIfLessThan(inputWidth, 1);
        foreach (var probability in probabilities)
        {
            if (!double.IsFinite(probability) || probability < 0)
                throw new ArgumentException($"Expected probabilities of at least 0, got {probability.ToString(CultureInfo.InvariantCulture)}.", nameof(probabilities));
        }
        var sum = probabilities.Sum();
        if (!(sum > 0 && double.IsFinite(sum)))
            throw new ArgumentException($"Expected {probabilities.Count} probabilities with a finite sum above 0, got {sum.ToString(CultureInfo.InvariantCulture)}.", nameof(probabilities));
        Probabilities = [.. probabilities.Select(probability => probability / sum)];
        _log = [.. Probabilities.Select(probability => Math.Log(probability))];
        InputWidth = inputWidth;
    }

    /// <summary>K probabilities with a sum of 1.</summary>
    public IReadOnlyList<double> Probabilities { get; }

    /// <inheritdoc/>
    public long InputWidth { get; }

    /// <inheritdoc/>
    public int Experts => _log.Length;

    /// <inheritdoc/>
    public double? DegreesOfFreedom => Experts - 1;

    /// <inheritdoc/>
    public Tensor LogProbabilities(Tensor rows)
    {
        ArgumentNullException.ThrowIfNull(rows);
        var answer = empty(rows.size(0), Experts, dtype: ScalarType.Float64, device: CPU);
        var log = HostMemory.Of<double>(answer);
        for (var place = 0; place < log.Length; place += _log.Length)
            _log.CopyTo(log[place..]);
        return answer;
    }

    /// <inheritdoc/>
    public ExpertState ToState() => new ExpertState(Kind).Set("probabilities", Probabilities.ToArray()).Set("inputWidth", InputWidth);

    internal static ConstantGate FromState(ExpertState state) => new(state.Get<double[]>("probabilities"), state.Get<long>("inputWidth"));
}
