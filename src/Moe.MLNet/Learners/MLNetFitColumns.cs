using Moe.Classical;

namespace Moe.MLNet;

/// <summary>What an ML.NET trainer is told of the rows it will be fitted to: the columns' names, and what the label is.</summary>
public sealed record MLNetFitColumns
{
    internal MLNetFitColumns(ResponseKind kind, int classes, bool weighted, int seed)
    {
        Response = kind;
        Classes = classes;
        Weight = weighted ? "Weight" : null;
        Seed = seed;
    }

    /// <summary>The column with a row's numbers, a vector of Single: "Features".</summary>
    public string Features { get; } = "Features";

    /// <summary>The column with what the row should give: "Label". Single; for classes, a key of <see cref="Classes"/> values.</summary>
    public string Label { get; } = "Label";

    /// <summary>The column with the rows' weights, "Weight", Single, their mean 1: for <c>exampleWeightColumnName</c>. Null where all rows count the same.</summary>
    public string? Weight { get; }

    /// <summary>What kind of number the label is.</summary>
    public ResponseKind Response { get; }

    /// <summary>How many classes there are among the rows, at least 2; 0 if the label is no class.</summary>
    public int Classes { get; }

    /// <summary>For classes, a column for each: Single, 1 in rows of the class and 0 in others. For trainers that learn one class at a time.</summary>
    public IReadOnlyList<string> Indicators => [.. Enumerable.Range(0, Classes).Select(index => $"Label.{index}")];

    /// <summary>The seed of the fit, at least 0: for trainers with a seed of their own beside that of the <c>MLContext</c>.</summary>
    public int Seed { get; }
}
