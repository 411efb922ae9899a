using Moe.Core;

namespace Moe.Classical;

/// <summary>How a gate over experts is fitted by a <see cref="GatedExpertsLearner"/>.</summary>
public sealed record GatedExpertsOptions
{
    /// <summary>What is made small.</summary>
    /// <value>The default is <see cref="GatedLoss.MixtureLikelihood"/>.</value>
    public GatedLoss Loss { get; init; }

    /// <summary>
    /// λ of the softmax gate: λ/2 times the squares of the slopes about their mean over the experts is added to the mean loss, the columns standardised. Errors and costs are
    /// divided by their spread first, so that it depends on no units and on no scale of weights.
    /// </summary>
    /// <value>The default is null: the one of <see cref="Ridges"/> whose cross-validated loss is least. Range: at least 0, finite.</value>
    public double? Ridge { get; init; }

    /// <summary>The ridges to choose from where <see cref="Ridge"/> is null.</summary>
    /// <value>The default is 1e-4 to 10 in nine steps. Range: at least one, each above 0 and finite.</value>
    public IReadOnlyList<double> Ridges { get; init; } = [1e-4, 1e-3, 3e-3, 1e-2, 3e-2, 0.1, 0.3, 1, 10];

    /// <summary>Folds that the learners are fitted in, and the gate is judged in. Classes keep their shares in each.</summary>
    /// <value>The default is 5. Range: at least 2.</value>
    public int Folds { get; init; } = 5;

    /// <summary>The folds themselves, such as groups of rows that belong together; <see cref="Folds"/> does not count then.</summary>
    /// <value>The default is null: drawn by the seed.</value>
    public Folds? GivenFolds { get; init; }

    /// <summary>How many experts of folds are fitted at once. The result does not depend on it.</summary>
    /// <value>The default is 1. Range: at least 1.</value>
    public int FitsAtOnce { get; init; } = 1;

    /// <summary>
    /// Whether experts of classes without noise of their own get a temperature, fitted to outputs that are out of sample (<see cref="CategoricalNoiseFamily"/>) by the rows that
    /// are theirs: an expert that is too sure of itself would take rows that others know better.
    /// </summary>
    /// <value>The default is true.</value>
    public bool Calibrate { get; init; } = true;

    /// <summary>What asking each expert costs, in the units of the costs; only with <see cref="GatedLoss.ExpectedCost"/>.</summary>
    /// <value>The default is null: nothing. Range: one a member, finite.</value>
    public IReadOnlyList<double>? Prices { get; init; }

    /// <summary>The smallest standard deviation of noise, as a share of that of the responses.</summary>
    /// <value>The default is 1e-3. Range: above 0, at most 1.</value>
    public double NoiseFloor { get; init; } = 1e-3;

    /// <summary>The most steps of L-BFGS of one fit of the gate, or of EM where the gate has a learner of its own. Every step makes the loss less.</summary>
    /// <value>The default is 300. Range: at least 1.</value>
    public int MaxSteps { get; init; } = 300;

    /// <summary>What folds and learners draw from, with the seed of the context.</summary>
    /// <value>The default is 0.</value>
    public long Seed { get; init; }

    internal void Validate(string name) => new OptionFailures(nameof(GatedExpertsOptions))
        .Require(Enum.IsDefined(Loss), $"Loss is {Loss}; it must be one of {string.Join(", ", Enum.GetNames<GatedLoss>())}.")
        .Require(Ridge is null || (Ridge >= 0 && double.IsFinite(Ridge.Value)), $"Ridge is {Ridge}; it must be at least 0 and finite.")
        .Require(Ridges is { Count: > 0 } && Ridges.All(ridge => ridge > 0 && double.IsFinite(ridge)), "Ridges must be at least one number, each above 0 and finite.")
        .Require(Folds >= 2, $"Folds is {Folds}; it must be at least 2.")
        .Require(FitsAtOnce >= 1, $"FitsAtOnce is {FitsAtOnce}; it must be at least 1.")
        .Require(Prices is null || Prices.All(double.IsFinite), "Prices must be finite.")
        .Require(Prices is null || Loss == GatedLoss.ExpectedCost, $"Prices want Loss to be {GatedLoss.ExpectedCost}, which is {Loss}.")
        .Require(NoiseFloor is > 0 and <= 1, $"NoiseFloor is {NoiseFloor}; it must be above 0 and at most 1.")
        .Require(MaxSteps >= 1, $"MaxSteps is {MaxSteps}; it must be at least 1.")
        .ThrowIfAny(name);
}
