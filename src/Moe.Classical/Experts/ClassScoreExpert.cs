using Moe.Core;
using static TorchSharp.torch;

namespace Moe.Classical;

/// <summary>An expert of classes whose probabilities are the softmax of a score for each class.</summary>
/// <remarks>
/// A class that no row of the fit had (or only rows of weight 0) has probability <see cref="AbsentShare"/> everywhere, so that the log-density of a response is always finite, or -∞ where
/// scores lie too far apart, and never NaN.
/// </remarks>
public abstract class ClassScoreExpert : ClassicalExpert, IDensityExpert, IParametric, IStoredExpert
{
    /// <summary>The probability of a class that no row of the fit had: 1e-6.</summary>
    public const double AbsentShare = 1e-6;

    private readonly int[] _present;

    private protected ClassScoreExpert(long width, int classes, int[] present)
        : base(width, classes) => _present = present;

    /// <summary>The classes that the rows of the fit had, ascending.</summary>
    public IReadOnlyList<int> PresentClasses => _present;

    /// <inheritdoc/>
    public abstract double DegreesOfFreedom { get; }

    /// <inheritdoc/>
    public Tensor LogDensity(Tensor input, Response response)
    {
        using var scope = NewDisposeScope();
        var rows = DataGuard.Rows(input, InputWidth, nameof(input));
        LinearFunction.Require(response, ResponseKind.Class, rows.size(0));
        if (response.Classes != OutputWidth)
            throw new ArgumentException($"Expected a response of {OutputWidth} classes, got {response.Classes}.", nameof(response));
        var logs = LogProbabilities(rows);
        var answer = empty(rows.size(0), dtype: ScalarType.Float64, device: CPU);
        var target = HostMemory.Of<double>(answer);
        var source = HostMemory.Of<double>(logs);
        var labels = HostMemory.Of<double>(response.Values);
        for (var row = 0; row < target.Length; row++)
            target[row] = source[(row * (int)OutputWidth) + (int)labels[row]];
        return scope.MoveToOuter(answer);
    }

    /// <inheritdoc/>
    public abstract ExpertState ToState();

    /// <inheritdoc/>
    protected override Tensor Predict(Tensor rows)
    {
        ArgumentNullException.ThrowIfNull(rows);
        var answer = LogProbabilities(rows);
        foreach (ref var value in HostMemory.Of<double>(answer))
            value = Math.Exp(value);
        return answer;
    }

    /// <summary>The log-probability of each present class, up to a number for the whole row.</summary>
    private protected abstract void Scores(ReadOnlySpan<double> row, Span<double> scores);

    /// <summary>The classes with weight, ascending, and the weight of each, [C].</summary>
    internal static (int[] Present, double[] Sums) Count(FitData data)
    {
        LinearFunction.Require(data.Response, ResponseKind.Class, data.Rows);
        var sums = new double[data.Response.Classes];
        var labels = HostMemory.Of<double>(data.Response.Values);
        var weights = data.Weights is null ? default : HostMemory.Of<double>(data.Weights);
        for (var row = 0; row < labels.Length; row++)
            sums[(int)labels[row]] += weights.IsEmpty ? 1 : weights[row];
        return ([.. Enumerable.Range(0, sums.Length).Where(k => sums[k] > 0)], sums);
    }

    private Tensor LogProbabilities(Tensor rows)
    {
        var (width, classes) = ((int)InputWidth, (int)OutputWidth);
        var answer = empty(rows.size(0), classes, dtype: ScalarType.Float64, device: CPU);
        var source = HostMemory.Of<double>(rows);
        var target = HostMemory.Of<double>(answer);
        target.Fill(Math.Log(AbsentShare));
        var rest = Math.Log(1 - (AbsentShare * (classes - _present.Length)));
        Span<double> scores = new double[_present.Length];
        for (var row = 0; row < rows.size(0); row++)
        {
            Scores(source.Slice(row * width, width), scores);
            var (greatest, sum) = (double.NegativeInfinity, 0.0);
            foreach (ref var score in scores)
            {
                // Rows at the ends of the range of numbers overflow.
                score = double.IsNaN(score) ? 0 : Math.Clamp(score, -1e300, 1e300);
                greatest = Math.Max(greatest, score);
            }
            foreach (var score in scores)
                sum += Math.Exp(score - greatest);
            for (var k = 0; k < scores.Length; k++)
                target[(row * classes) + _present[k]] = scores[k] - greatest - Math.Log(sum) + rest;
        }
        GC.KeepAlive(rows);
        return answer;
    }
}
