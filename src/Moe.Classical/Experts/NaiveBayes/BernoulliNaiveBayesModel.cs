using static TorchSharp.torch;

namespace Moe.Classical;

/// <summary>A fitted bernoulli naive Bayes model.</summary>
public sealed class BernoulliNaiveBayesModel : ClassScoreExpert
{
    internal const string Kind = "bernoulli-naive-bayes";
    private readonly double[] _coefficients;

    internal BernoulliNaiveBayesModel(int width, int classes, int[] present, double threshold, double[] coefficients)
        : base(width, classes, present) => (Threshold, _coefficients) = (threshold, coefficients);

    /// <summary>
    /// The score as a linear function of the columns, on or off: [present classes, D + 1], row by row. First the log-share of the class with every column off, then each column's log-odds of being on.
    /// </summary>
    public IReadOnlyList<double> Coefficients => _coefficients;

    /// <summary>A value above it counts as on.</summary>
    public double Threshold { get; }

    /// <summary>A share for each column and present class, and the shares of the classes less 1.</summary>
    public override double DegreesOfFreedom => (PresentClasses.Count * (double)InputWidth) + PresentClasses.Count - 1;

    /// <inheritdoc/>
    public override ExpertState ToState()
    {
        using var scope = NewDisposeScope();
        return new ExpertState(Kind)
            .Set("classes", OutputWidth)
            .Set("present", PresentClasses)
            .Set("threshold", Threshold)
            .Add("coefficients", tensor(_coefficients, PresentClasses.Count, InputWidth + 1));
    }

    private protected override void Scores(ReadOnlySpan<double> row, Span<double> scores)
    {
        for (var k = 0; k < scores.Length; k++)
        {
            var start = k * (row.Length + 1);
            scores[k] = _coefficients[start];
            for (var column = 0; column < row.Length; column++)
            {
                if (row[column] > Threshold)
                    scores[k] += _coefficients[start + column + 1];
            }
        }
    }

    internal static BernoulliNaiveBayesModel FromState(ExpertState state)
    {
        var present = StateNumbers.Present(state);
        var coefficients = StateNumbers.Of(state, "coefficients");
        return new BernoulliNaiveBayesModel((coefficients.Length / present.Length) - 1, state.Get<int>("classes"), present, state.Get<double>("threshold"), coefficients);
    }
}
