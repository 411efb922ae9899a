using static TorchSharp.torch;

namespace Moe.Classical;

/// <summary>A fitted softmax model: the probability of class k is proportional to exp(b₀ₖ + x bₖ).</summary>
public sealed class SoftmaxModel : ClassScoreExpert
{
    internal const string Kind = "softmax";

    internal SoftmaxModel(int width, int classes, int[] present, double[] coefficients)
        : base(width, classes, present) => Raw = coefficients;

    /// <summary>
    /// [present classes, D + 1], row by row, the intercept first: relative to the first present class, whose row is 0, without a ridge; with one the slopes of each column sum to 0.
    /// </summary>
    public IReadOnlyList<double> Coefficients => Raw;

    /// <summary>Columns from 0 to D - 1 that were constant or, without a ridge, combinations of earlier ones, and have coefficient 0.</summary>
    public IReadOnlyList<int> DroppedColumns { get; internal init; } = [];

    /// <summary>True if the fit ended because nothing more was to be gained, and not for want of steps.</summary>
    public bool Converged { get; internal init; }

    /// <summary>True if without a ridge the columns separate the classes, so that coefficients would go to infinity: the rows tell next to nothing of some of them.</summary>
    /// <remarks>With more than 200 free coefficients: if a row that counts has a probability below 1e-11.</remarks>
    public bool Separated { get; internal init; }

    /// <summary>Steps that the fit took.</summary>
    public int Steps { get; internal init; }

    /// <summary>(present classes - 1) × (columns kept + 1). A ridge takes nothing off.</summary>
    public override double DegreesOfFreedom => (PresentClasses.Count - 1) * (InputWidth + 1 - DroppedColumns.Count);

    internal double[] Raw { get; }

    /// <inheritdoc/>
    public override ExpertState ToState()
    {
        using var scope = NewDisposeScope();
        return new ExpertState(Kind)
            .Set("classes", OutputWidth)
            .Set("present", PresentClasses)
            .Set("dropped", DroppedColumns)
            .Set("converged", Converged)
            .Set("separated", Separated)
            .Set("steps", Steps)
            .Add("coefficients", tensor(Raw, PresentClasses.Count, InputWidth + 1));
    }

    private protected override void Scores(ReadOnlySpan<double> row, Span<double> scores) => LinearClassScores.Of(row, Raw, scores);

    internal static SoftmaxModel FromState(ExpertState state)
    {
        var present = StateNumbers.Present(state);
        var raw = StateNumbers.Of(state, "coefficients");
        return new SoftmaxModel((raw.Length / present.Length) - 1, state.Get<int>("classes"), present, raw)
        {
            DroppedColumns = state.Get<int[]>("dropped"),
            Converged = state.Get<bool>("converged"),
            Separated = state.Get<bool>("separated"),
            Steps = state.Get<int>("steps"),
        };
    }
}
