using Moe.Core;

namespace Moe.MLNet;

/// <summary>Which columns a mixture reads and writes in an ML.NET pipeline.</summary>
public sealed record MixtureEstimatorOptions
{
    /// <summary>The rows' numbers: a vector of Single of known size.</summary>
    /// <value>The default is "Features".</value>
    public string FeatureColumn { get; init; } = "Features";

    /// <summary>
    /// What the rows should give: Single for real numbers, a key for classes (as <c>MapValueToKey</c> makes it), Boolean for two classes. Read by the fit alone.
    /// </summary>
    /// <value>The default is "Label".</value>
    public string LabelColumn { get; init; } = "Label";

    /// <summary>How much each row counts: Single, at least 0.</summary>
    /// <value>The default, null, counts all rows the same.</value>
    public string? WeightColumn { get; init; }

    /// <summary>True for labels of type Single that are counts.</summary>
    /// <value>The default is false.</value>
    public bool LabelIsCount { get; init; }

    /// <summary>
    /// The column for the gate's probabilities, a vector of Single with one for each expert. Only for fitted mixtures that can say them
    /// (<see cref="Moe.Classical.IGatedExpert"/>); others are refused after the fit.
    /// </summary>
    /// <value>The default, null, writes none.</value>
    public string? GateColumn { get; init; }

    /// <summary>Seed of the fit.</summary>
    /// <value>The default is 0.</value>
    public long Seed { get; init; }

    /// <summary>Cancels a fit with an <see cref="OperationCanceledException"/>.</summary>
    public CancellationToken CancellationToken { get; init; }

    internal void Validate(string name) =>
        new OptionFailures(nameof(MixtureEstimatorOptions))
            .Require(!string.IsNullOrWhiteSpace(FeatureColumn), "FeatureColumn is empty; it must name a column.")
            .Require(!string.IsNullOrWhiteSpace(LabelColumn), "LabelColumn is empty; it must name a column.")
            .Require(WeightColumn is null || !string.IsNullOrWhiteSpace(WeightColumn), "WeightColumn is empty; it must name a column, or be null.")
            .Require(GateColumn is null || !string.IsNullOrWhiteSpace(GateColumn), "GateColumn is empty; it must name a column, or be null.")
            .Require(GateColumn is null || GateColumn is not ("Score" or "Probability" or "PredictedLabel"), $"GateColumn is {GateColumn}, which the answer is written to; it must be another.")
            .ThrowIfAny(name);
}
