namespace ExpertsVersusEnsemble;

/// <summary>What the command line decides.</summary>
internal sealed record Settings(
    string Data, string Response, string Task, string? FoldColumn, string? SplitColumn, IReadOnlyList<string> Ignore, IReadOnlyList<string> Experts, int Seed, string? Json, string Out)
{
    public bool IsClassification => Task == "classification";

    /// <summary>Names, separated by commas.</summary>
    public static IReadOnlyList<string> Names(string? text) => [.. (text ?? "").Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries)];

    /// <summary>Everything that is wrong, each with its value and the rule.</summary>
    public IReadOnlyList<string> Failures()
    {
        var failures = new List<string>();
        Require(File.Exists(Data), $"--data ({Data}) must be a file.");
        Require(Task is "regression" or "classification", $"--task ({Task}) must be regression or classification.");
        Require(FoldColumn is null || SplitColumn is null, $"--fold-column ({FoldColumn}) and --split-column ({SplitColumn}) exclude each other.");
        Require(Experts.Count >= 2, $"--experts ({string.Join(",", Experts)}) must name at least 2.");
        Require(Experts.Distinct().Count() == Experts.Count, $"--experts ({string.Join(",", Experts)}) must not name one twice.");
        foreach (var expert in Experts)
            Require(ExpertsVersusEnsemble.Experts.Suits(expert, IsClassification), $"--experts ({expert}) must be among {string.Join(", ", ExpertsVersusEnsemble.Experts.For(IsClassification))} for --task {Task}.");
        return failures;

        void Require(bool holds, string failure)
        {
            if (!holds)
                failures.Add(failure);
        }
    }
}
