using static TorchSharp.torch;

namespace Moe.Classical;

/// <summary>A fitted multinomial naive Bayes model.</summary>
public sealed class MultinomialNaiveBayesModel : ClassScoreExpert
{
    internal const string Kind = "multinomial-naive-bayes";
    private readonly double[] _coefficients;

    internal MultinomialNaiveBayesModel(int width, int classes, int[] present, double[] coefficients)
        : base(width, classes, present) => _coefficients = coefficients;

    /// <summary>
    /// The score as a linear function of the counts: [present classes, D + 1], row by row. First the logarithm of the class's share, then of each column's share of its counts.
    /// </summary>
    public IReadOnlyList<double> Coefficients => _coefficients;

    /// <summary>A share for each column and present class less 1 a class, and the shares of the classes less 1.</summary>
    public override double DegreesOfFreedom => (PresentClasses.Count * (InputWidth - 1.0)) + PresentClasses.Count - 1;

    /// <inheritdoc/>
    public override ExpertState ToState()
    {
        using var scope = NewDisposeScope();
        return new ExpertState(Kind)
            .Set("classes", OutputWidth)
            .Set("present", PresentClasses)
            .Add("coefficients", tensor(_coefficients, PresentClasses.Count, InputWidth + 1));
    }

    private protected override void Scores(ReadOnlySpan<double> row, Span<double> scores) => LinearClassScores.Of(row, _coefficients, scores);

    internal static MultinomialNaiveBayesModel FromState(ExpertState state)
    {
        var present = StateNumbers.Present(state);
        var coefficients = StateNumbers.Of(state, "coefficients");
        return new MultinomialNaiveBayesModel((coefficients.Length / present.Length) - 1, state.Get<int>("classes"), present, coefficients);
    }
}
