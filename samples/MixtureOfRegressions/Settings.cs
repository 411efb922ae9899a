namespace MixtureOfRegressions;

/// <summary>What the command line decides.</summary>
internal sealed record Settings(
    string Data, string Response, string? Trials, IReadOnlyList<string> Terms, IReadOnlyList<string> GateTerms, int Experts, string Family,
    int Restarts, int Seed, string? Start, string? Plot, string? Json)
{
    private static readonly string[] Families = ["gaussian", "poisson", "binomial"];

    /// <summary>Names of columns; "-" for none, so that only the intercept is there.</summary>
    public static IReadOnlyList<string> Names(string text) =>
        text.Trim() == "-" ? [] : [.. text.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries)];

    /// <summary>Everything that is wrong, each with its value and the rule.</summary>
    public IReadOnlyList<string> Failures()
    {
        var failures = new List<string>();
        Require(File.Exists(Data), $"--data ({Data}) must be a file.");
        Require(Experts is >= 1 and <= 100, $"--experts ({Experts}) must lie between 1 and 100.");
        Require(Restarts is >= 1 and <= 100_000, $"--restarts ({Restarts}) must lie between 1 and 100,000.");
        Require(Families.Contains(Family), $"--family ({Family}) must be gaussian, poisson or binomial.");
        Require(Trials is null || Family == "binomial", $"--trials ({Trials}) belongs to --family binomial; the family is {Family}.");
        Require(Start is null || File.Exists(Start), $"--start ({Start}) must be a file.");
        foreach (var (option, terms) in new[] { ("--terms", Terms), ("--gate-terms", GateTerms) })
        {
            Require(terms.Distinct().Count() == terms.Count, $"{option} ({string.Join(",", terms)}) must not name a column twice.");
            Require(!terms.Contains(Response), $"{option} ({string.Join(",", terms)}) must not contain the response, {Response}.");
        }
        return failures;

        void Require(bool holds, string failure)
        {
            if (!holds)
                failures.Add(failure);
        }
    }
}
