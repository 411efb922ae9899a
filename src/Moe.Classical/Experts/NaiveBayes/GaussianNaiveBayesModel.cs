using static TorchSharp.torch;

namespace Moe.Classical;

/// <summary>A fitted Gaussian naive Bayes model.</summary>
public sealed class GaussianNaiveBayesModel : ClassScoreExpert
{
    internal const string Kind = "gaussian-naive-bayes";
    private readonly double[] _logPriors;
    private readonly double[] _means;
    private readonly double[] _variances;
    private readonly double[] _constants;

    internal GaussianNaiveBayesModel(int width, int classes, int[] present, double[] logPriors, double[] means, double[] variances)
        : base(width, classes, present)
    {
        (_logPriors, _means, _variances) = (logPriors, means, variances);
        _constants = [.. logPriors.Select((prior, k) => prior - (0.5 * variances.Skip(k * width).Take(width).Sum(Math.Log)))];
    }

    /// <summary>[present classes, D], row by row.</summary>
    public IReadOnlyList<double> Means => _means;

    /// <summary>[present classes, D], row by row, smoothed.</summary>
    public IReadOnlyList<double> Variances => _variances;

    /// <summary>The logarithm of each present class's share of the weight.</summary>
    public IReadOnlyList<double> LogPriors => _logPriors;

    /// <summary>A mean and a variance for each column and present class, and the shares of the classes less 1.</summary>
    public override double DegreesOfFreedom => (2.0 * _means.Length) + PresentClasses.Count - 1;

    /// <inheritdoc/>
    public override ExpertState ToState()
    {
        using var scope = NewDisposeScope();
        return new ExpertState(Kind)
            .Set("classes", OutputWidth)
            .Set("present", PresentClasses)
            .Add("logPriors", tensor(_logPriors))
            .Add("means", tensor(_means, PresentClasses.Count, InputWidth))
            .Add("variances", tensor(_variances, PresentClasses.Count, InputWidth));
    }

    private protected override void Scores(ReadOnlySpan<double> row, Span<double> scores)
    {
        for (var k = 0; k < scores.Length; k++)
        {
            var sum = 0.0;
            for (var (column, place) = (0, k * row.Length); column < row.Length; column++, place++)
            {
                var difference = row[column] - _means[place];
                sum += difference * difference / _variances[place];
            }
            // So far away that squares overflow all classes are far: finite numbers keep their order as far as it goes.
            scores[k] = _constants[k] - Math.Min(0.5 * sum, 1e300);
        }
    }

    internal static GaussianNaiveBayesModel FromState(ExpertState state)
    {
        var present = StateNumbers.Present(state);
        var means = StateNumbers.Of(state, "means");
        return new GaussianNaiveBayesModel(means.Length / present.Length, state.Get<int>("classes"), present, StateNumbers.Of(state, "logPriors", present.Length), means, StateNumbers.Of(state, "variances", means.Length));
    }
}
