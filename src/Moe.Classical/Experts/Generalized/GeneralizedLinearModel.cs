using static TorchSharp.torch;

namespace Moe.Classical;

/// <summary>A fitted generalised linear model with its canonical link. Predicts the mean of a count, or the probability of a success.</summary>
public sealed class GeneralizedLinearModel : ClassicalExpert, IDensityExpert, IParametric, IStoredExpert
{
    internal const string Kind = "generalized-linear";
    private readonly double[] _coefficients;
    private readonly double[] _errors;

    internal GeneralizedLinearModel(GlmFamily family, double[] coefficients, double[] errors)
        : base(coefficients.Length - 1, 1) => (Family, _coefficients, _errors) = (family, coefficients, errors);

    /// <summary>What it explains.</summary>
    public GlmFamily Family { get; }

    /// <summary>b, [D + 1]: the intercept (0 if there is none), then a slope for each column, on the scale of the link. 0 for columns left out.</summary>
    public IReadOnlyList<double> Coefficients => _coefficients;

    /// <summary>
    /// The standard error of each coefficient, [D + 1], from the observed information with the penalty, weights as numbers of rows. 0 for columns left out; without meaning where
    /// <see cref="Separated"/>.
    /// </summary>
    public IReadOnlyList<double> StandardErrors => _errors;

    /// <summary>The number of coefficients that are free; with a ridge the trace of the hat matrix of the last step.</summary>
    public double DegreesOfFreedom { get; internal init; }

    /// <summary>True if the fit ended because nothing more was to be gained, and not for want of steps.</summary>
    public bool Converged { get; internal init; }

    /// <summary>
    /// True if without a ridge a row that counts has a probability within 1e-11 of 0 or 1, or a mean below 1e-11: the rows are separated, and the coefficients would go to infinity.
    /// </summary>
    public bool Separated { get; internal init; }

    /// <summary>Steps that the fit took.</summary>
    public int Steps { get; internal init; }

    /// <summary>Columns from 0 to D - 1 that were constant or combinations of earlier ones, and have coefficient 0.</summary>
    public IReadOnlyList<int> DroppedColumns { get; internal init; } = [];

    /// <inheritdoc/>
    public Tensor LogDensity(Tensor input, Response response)
    {
        using var scope = NewDisposeScope();
        var rows = DataGuard.Rows(input, InputWidth, nameof(input));
        LinearFunction.Require(response, ResponseOf(Family), rows.size(0));
        return scope.MoveToOuter(LinearFunction.Density(rows, _coefficients, response, (linear, value, trials) =>
            WeightedGlm.Kernel(Family, linear, value, trials) + (Family == GlmFamily.Poisson ? -DistributionFunctions.LogGamma(value + 1) : DistributionFunctions.LogChoose(trials, value))));
    }

    /// <inheritdoc/>
    public ExpertState ToState()
    {
        using var scope = NewDisposeScope();
        return new ExpertState(Kind)
            .Set("family", Family)
            .Set("degreesOfFreedom", DegreesOfFreedom)
            .Set("converged", Converged)
            .Set("separated", Separated)
            .Set("steps", Steps)
            .Set("dropped", DroppedColumns)
            .Add("coefficients", tensor(_coefficients))
            .Add("standardErrors", tensor(_errors));
    }

    /// <inheritdoc/>
    protected override Tensor Predict(Tensor rows) => LinearFunction.Of(rows, _coefficients, linear => WeightedGlm.Mean(Family, linear));

    internal static ResponseKind ResponseOf(GlmFamily family) => family == GlmFamily.Poisson ? ResponseKind.Count : ResponseKind.Trials;

    internal static GeneralizedLinearModel FromState(ExpertState state)
    {
        var coefficients = StateNumbers.Of(state, "coefficients");
        return new GeneralizedLinearModel(state.Get<GlmFamily>("family"), coefficients, StateNumbers.Of(state, "standardErrors", coefficients.Length))
        {
            DegreesOfFreedom = state.Get<double>("degreesOfFreedom"),
            Converged = state.Get<bool>("converged"),
            Separated = state.Get<bool>("separated"),
            Steps = state.Get<int>("steps"),
            DroppedColumns = state.Get<int[]>("dropped"),
        };
    }
}
