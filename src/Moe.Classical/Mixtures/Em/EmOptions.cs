using Moe.Core;

namespace Moe.Classical;

/// <summary>How a mixture of experts is fitted by EM.</summary>
public sealed record EmOptions
{
    /// <summary>The most iterations of a start.</summary>
    /// <value>The default is 1000. Range: at least 1.</value>
    public int MaxIterations { get; init; } = 1000;

    /// <summary>EM has converged when the objective changes by less than this times (its size + 0.1).</summary>
    /// <value>The default is 1e-8. Range: above 0, below 1.</value>
    public double Tolerance { get; init; } = 1e-8;

    /// <summary>
    /// Where the likelihood need not rise (experts judged out of fold, without weights, or fitted otherwise than by maximum likelihood), the best iterate is kept, and EM ends
    /// after so many iterations in a row that gained less than <see cref="Tolerance"/> on it, or less than 1e-5 of it where experts are judged out of fold or take no weights.
    /// </summary>
    /// <value>The default is 5. Range: at least 1.</value>
    public int Patience { get; init; } = 5;

    /// <summary>How many starts; the best result is kept. A start that is given is the only one.</summary>
    /// <value>The default is null: 20 where all experts are linear models or GLMs under a softmax or constant gate, judged in sample (such fits take milliseconds); otherwise 4. Range: at least 1.</value>
    public int? Restarts { get; init; }

    /// <summary>
    /// How many ways to cut the rows are tried for each start from <see cref="StartKind.Regions"/>: each goes through 10 iterations, and the one whose likelihood is the greatest
    /// by then is the start. Many are tried for the price of a few, as most of a fit's time goes into its last digits (Biernacki, Celeux and Govaert 2003).
    /// </summary>
    /// <value>The default is null: 8 where all experts are linear models or GLMs under a softmax or constant gate, judged in sample; otherwise 1. Range: at least 1.</value>
    public int? Candidates { get; init; }

    /// <summary>Where the starts begin.</summary>
    /// <value>The default is <see cref="StartKind.Mixed"/>.</value>
    public StartKind Start { get; init; }

    /// <summary>Seed of all that is drawn. The same seed gives the same fit, on however many threads.</summary>
    /// <value>The default is 0.</value>
    public long Seed { get; init; }

    /// <summary>How many fits run at a time, each on a thread of its own: starts, and where there are fewer of them, the folds of each.</summary>
    /// <value>The default is null: as many as the machine has processors. Range: at least 1.</value>
    public int? MaxParallel { get; init; }

    /// <summary>What becomes of an expert that starves or cannot be fitted.</summary>
    /// <value>The default is <see cref="OnSmall.Restart"/>.</value>
    public OnSmall OnSmall { get; init; }

    /// <summary>An expert starves when its share of all weight is below this.</summary>
    /// <value>The default is 0.02. Range: at least 0, below 0.5.</value>
    public double MinimumShare { get; init; } = 0.02;

    /// <summary>
    /// The least standard deviation of an expert's noise, as a share of the response's own: the likelihood has no bound where noise vanishes on a few rows. Starts that end
    /// there count for less than all that do not.
    /// </summary>
    /// <value>The default is 1e-3. Range: above 0, at most 1.</value>
    public double SigmaFloor { get; init; } = 1e-3;

    /// <summary>One standard deviation for all experts. Only where all have normal noise.</summary>
    /// <value>The default is false: each has its own.</value>
    public bool SharedSigma { get; init; }

    /// <summary>
    /// The ridge of the softmax gate (<see cref="SoftmaxGateOptions.Ridge"/>). Not used by a gate learner that is given.
    /// </summary>
    /// <value>
    /// The default is null: 0 where experts learn and all are judged in sample (maximum likelihood). Where some are judged out of fold, or all are fixed, it is chosen from 1e-6 … 1
    /// by cross-validated likelihood of the gate on the experts' densities, at iterations 1, 2, 4, 8 and 16, and kept from then on. Range: at least 0, finite.
    /// </value>
    public double? GateRidge { get; init; }

    /// <summary>On which predictions experts are judged.</summary>
    /// <value>The default is <see cref="Judge.Auto"/>.</value>
    public Judge Judge { get; init; }

    /// <summary>Folds of out-of-fold predictions.</summary>
    /// <value>The default is 5. Range: at least 2.</value>
    public int Folds { get; init; } = 5;

    /// <summary>Rows of an expert whose learner takes no weights.</summary>
    /// <value>The default is <see cref="HardAssignment.Greatest"/>.</value>
    public HardAssignment HardAssignment { get; init; }

    /// <summary>
    /// Ends the fit with Newton steps on the log-likelihood itself, where all experts are linear models or GLMs under a softmax or constant gate: EM's convergence is linear,
    /// theirs quadratic.
    /// </summary>
    /// <value>The default is true.</value>
    public bool Polish { get; init; } = true;

    /// <summary>The order of the experts.</summary>
    /// <value>The default is <see cref="ExpertOrder.Intercept"/>.</value>
    public ExpertOrder Order { get; init; } = ExpertOrder.Intercept;

    /// <summary>Names of the columns, for tables.</summary>
    /// <value>The default is null: x1, x2 …</value>
    public IReadOnlyList<string>? ColumnNames { get; init; }

    internal void Validate(string parameterName) => new OptionFailures(nameof(EmOptions))
        .Require(MaxIterations >= 1, $"MaxIterations ({MaxIterations}) must be at least 1.")
        .Require(Tolerance is > 0 and < 1, $"Tolerance ({Tolerance}) must be above 0 and below 1.")
        .Require(Patience >= 1, $"Patience ({Patience}) must be at least 1.")
        .Require(Restarts is null or >= 1, $"Restarts ({Restarts}) must be at least 1, or null.")
        .Require(Candidates is null or >= 1, $"Candidates ({Candidates}) must be at least 1, or null.")
        .Require(Enum.IsDefined(Start), $"Start ({Start}) must be Mixed, Regions, KMeans, RandomLabels or Dirichlet.")
        .Require(MaxParallel is null or >= 1, $"MaxParallel ({MaxParallel}) must be at least 1, or null.")
        .Require(Enum.IsDefined(OnSmall), $"OnSmall ({OnSmall}) must be Restart, Drop or Keep.")
        .Require(MinimumShare is >= 0 and < 0.5, $"MinimumShare ({MinimumShare}) must be at least 0 and below 0.5.")
        .Require(SigmaFloor is > 0 and <= 1, $"SigmaFloor ({SigmaFloor}) must be above 0 and at most 1.")
        .Require(GateRidge is null || (double.IsFinite(GateRidge.Value) && GateRidge >= 0), $"GateRidge ({GateRidge}) must be at least 0 and finite, or null.")
        .Require(Enum.IsDefined(Judge), $"Judge ({Judge}) must be Auto, InSample or OutOfFold.")
        .Require(Folds >= 2, $"Folds ({Folds}) must be at least 2.")
        .Require(Enum.IsDefined(HardAssignment), $"HardAssignment ({HardAssignment}) must be Greatest or Drawn.")
        .Require(Enum.IsDefined(Order), $"Order ({Order}) must be Given or Intercept.")
        .ThrowIfAny(parameterName);
}
