using Microsoft.ML;
using Moe.Core;

namespace Moe.MLNet;

/// <summary>How an ML.NET model is fed and read.</summary>
public sealed record MLNetExpertOptions
{
    /// <summary>The columns that the rows' numbers go to.</summary>
    /// <value>
    /// The default is one column, "Features": a vector of all D numbers. With several names, one for each of the D numbers, each is a column of one number, as in models
    /// that were trained on separate columns. No name twice.
    /// </value>
    public IReadOnlyList<string> InputColumns { get; init; } = ["Features"];

    /// <summary>The column with the answer.</summary>
    /// <value>The default is "Score".</value>
    public string OutputColumn { get; init; } = "Score";

    /// <summary>What the answer means.</summary>
    /// <value>The default, null, takes one number for a value and a vector for probabilities of classes.</value>
    public ScoreKind? Score { get; init; }

    /// <summary>
    /// The schema that the model was saved with, which <c>MLContext.Model.Load</c> gives back. Columns in it that are not among <see cref="InputColumns"/> (the label, say)
    /// are fed with their type's default, for models that cannot be asked without them. They must be no vectors.
    /// </summary>
    /// <value>The default, null, feeds the input columns alone.</value>
    public DataViewSchema? InputSchema { get; init; }

    internal void Validate(long inputWidth, string name) =>
        new OptionFailures(nameof(MLNetExpertOptions))
            .Require(InputColumns is { Count: > 0 } && InputColumns.All(column => !string.IsNullOrWhiteSpace(column)) && InputColumns.Distinct(StringComparer.Ordinal).Count() == InputColumns.Count,
                $"InputColumns are [{string.Join(", ", InputColumns ?? [])}]; there must be at least one, each with a name of its own.")
            .Require(InputColumns is null || InputColumns.Count == 1 || InputColumns.Count == inputWidth,
                $"InputColumns are {InputColumns?.Count} for rows of {inputWidth} numbers; there must be one for all, or one for each.")
            .Require(!string.IsNullOrWhiteSpace(OutputColumn), "OutputColumn is empty; it must name a column.")
            .Require(Score is null || Enum.IsDefined(Score.Value), $"Score is {Score}; it must be one of {string.Join(", ", Enum.GetNames<ScoreKind>())}.")
            .ThrowIfAny(name);
}
