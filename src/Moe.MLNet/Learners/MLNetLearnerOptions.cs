using Moe.Classical;
using Moe.Core;

namespace Moe.MLNet;

/// <summary>What is to be known of an ML.NET estimator beyond how to make it.</summary>
public sealed record MLNetLearnerOptions
{
    /// <summary>The kinds of response that it can be fitted to.</summary>
    /// <value>The default is real numbers alone. At least one. Successes out of trials are not possible: ML.NET has no column for the trials.</value>
    public IReadOnlyList<ResponseKind> Responses { get; init; } = [ResponseKind.Real];

    /// <summary>What becomes of the rows' weights: <see cref="WeightSupport.Native"/> if the estimator uses <see cref="MLNetFitColumns.Weight"/>.</summary>
    /// <value>The default is <see cref="WeightSupport.Native"/>.</value>
    public WeightSupport Weights { get; init; } = WeightSupport.Native;

    /// <summary>True for estimators that can come close to repeating the rows they saw.</summary>
    /// <value>The default is true, which costs refits and is never wrong.</value>
    public bool OverfitsOwnRows { get; init; } = true;

    /// <summary>The column with the fitted model's answer.</summary>
    /// <value>The default is "Score".</value>
    public string OutputColumn { get; init; } = "Score";

    /// <summary>What the answer means.</summary>
    /// <value>The default, null, takes one number for a value and a vector for probabilities of classes.</value>
    public ScoreKind? Score { get; init; }

    internal void Validate(string name) =>
        new OptionFailures(nameof(MLNetLearnerOptions))
            .Require(Responses is { Count: > 0 } && Responses.All(kind => Enum.IsDefined(kind) && kind != ResponseKind.Trials),
                $"Responses are [{string.Join(", ", Responses ?? [])}]; there must be at least one of Real, Count and Class, and no other.")
            .Require(Enum.IsDefined(Weights), $"Weights is {Weights}; it must be one of {string.Join(", ", Enum.GetNames<WeightSupport>())}.")
            .Require(!string.IsNullOrWhiteSpace(OutputColumn), "OutputColumn is empty; it must name a column.")
            .Require(Score is null || Enum.IsDefined(Score.Value), $"Score is {Score}; it must be one of {string.Join(", ", Enum.GetNames<ScoreKind>())}.")
            .ThrowIfAny(name);
}
