using System.Globalization;
using System.Text;

namespace Moe.Classical;

/// <summary>How the fit of a mixture went, and how well the mixture describes its rows.</summary>
public sealed record FitReport
{
    /// <summary>How the start that was kept ended.</summary>
    public required EmStatus Status { get; init; }

    /// <summary>Why, in words.</summary>
    public required string Reason { get; init; }

    /// <summary>True if the end is one at which the likelihood gains no more, experts at their floor or dropped included.</summary>
    public required bool Converged { get; init; }

    /// <summary>n.</summary>
    public required long Rows { get; init; }

    /// <summary>Σ of the rows' weights, which stands for n in <see cref="Bic"/>; n where there are none.</summary>
    public required double TotalWeight { get; init; }

    /// <summary>True if some experts were judged on rows they had not seen; the log-likelihood is then of such predictions, and there are no criteria.</summary>
    public required bool OutOfFold { get; init; }

    /// <summary>Σ s log Σ g p, with all constants.</summary>
    public required double LogLikelihood { get; init; }

    /// <summary>The log-likelihood after each iteration of EM, of the start that was kept.</summary>
    public required IReadOnlyList<double> Trace { get; init; }

    /// <summary>Iterations of EM of the start that was kept.</summary>
    public int Iterations => Trace.Count;

    /// <summary>Newton steps on the log-likelihood after EM; null without them.</summary>
    public int? PolishSteps { get; init; }

    /// <summary>Every start.</summary>
    public required IReadOnlyList<StartReport> Starts { get; init; }

    /// <summary>Names of experts that were dropped.</summary>
    public required IReadOnlyList<string> Dropped { get; init; }

    /// <summary>Experts whose noise is at its floor.</summary>
    public required int FloorHits { get; init; }

    /// <summary>By how much the objective fell at most in any start where exact steps cannot make it fall; 0 if it never did.</summary>
    public required double LargestDecrease { get; init; }

    /// <summary>Rows that no expert made possible in the last E-step: they went by the gate, and count -700 each.</summary>
    public required int UnlikelyRows { get; init; }

    /// <summary>True if the gate separates the experts, so that its slopes have no finite maximum likelihood: only a ridge (<see cref="EmOptions.GateRidge"/>) makes them mean something.</summary>
    public required bool Separation { get; init; }

    /// <summary>The ridge of the softmax gate; null for other gates.</summary>
    public double? GateRidge { get; init; }

    /// <summary>Names of the experts.</summary>
    public required IReadOnlyList<string> Names { get; init; }

    /// <summary>The mean of each expert's responsibilities.</summary>
    public required IReadOnlyList<double> Priors { get; init; }

    /// <summary>How many rows each expert has the greatest responsibility for.</summary>
    public required IReadOnlyList<int> Sizes { get; init; }

    /// <summary>For how many rows each expert's responsibility is above 1e-4.</summary>
    public required IReadOnlyList<int> Possible { get; init; }

    /// <summary>Σ of the entropies of the rows' responsibilities, 0 where every row has one expert.</summary>
    public required double Entropy { get; init; }

    /// <summary>Free parameters; null where they cannot be counted.</summary>
    public double? DegreesOfFreedom { get; init; }

    /// <summary>-2 log L + 2 df (Akaike 1974).</summary>
    public double? Aic => OutOfFold ? null : (-2 * LogLikelihood) + (2 * DegreesOfFreedom);

    /// <summary>-2 log L + df log n (Schwarz 1978).</summary>
    public double? Bic => OutOfFold ? null : (-2 * LogLikelihood) + (DegreesOfFreedom * Math.Log(TotalWeight));

    /// <summary>-2 Σ log g p of the expert with the greatest responsibility + df log n (Biernacki, Celeux and Govaert 2000).</summary>
    public double? Icl => OutOfFold ? null : (-2 * ClassificationLogLikelihood) + (DegreesOfFreedom * Math.Log(TotalWeight));

    /// <summary>Seconds of the whole fit.</summary>
    public required double Seconds { get; init; }

    /// <summary>Σ s log g p of the expert with the greatest responsibility.</summary>
    public required double ClassificationLogLikelihood { get; init; }

    internal IReadOnlyList<CoefficientEstimate> Table { get; init; } = [];

    /// <summary>
    /// The coefficients of gate and experts and log σ with standard errors from the observed information, where all experts are linear models or GLMs
    /// without a ridge, judged in sample, under a softmax or constant gate; otherwise empty. Order: the gate's of experts 2 to K, the experts', log σ. Terms left out as constant or a combination of others are not there.
    /// </summary>
    public IReadOnlyList<CoefficientEstimate> Coefficients() => Table;

    /// <summary>The summary that a statistician expects.</summary>
    public override string ToString()
    {
        var text = new StringBuilder();
        text.AppendLine(Line($"Mixture of {Names.Count} experts, {Rows} rows: {Status} after {Iterations} iterations ({Reason})"));
        text.AppendLine();
        var wide = Math.Max(6, Names.Max(name => name.Length));
        text.AppendLine(Line($"{"expert".PadRight(wide)}  {"prior",8} {"size",8} {"post>0",8} {"ratio",8}"));
        for (var expert = 0; expert < Names.Count; expert++)
        {
            var ratio = Possible[expert] == 0 ? 0 : (double)Sizes[expert] / Possible[expert];
            text.AppendLine(Line($"{Names[expert].PadRight(wide)}  {Priors[expert],8:F4} {Sizes[expert],8} {Possible[expert],8} {ratio,8:F4}"));
        }
        text.AppendLine();
        text.Append(Line($"log-likelihood {LogLikelihood:F4}{(OutOfFold ? " (out of fold)" : "")}"));
        if (DegreesOfFreedom is { } freedom)
            text.Append(Line($", {freedom:G6} parameters"));
        if (Bic is { } bic)
            text.Append(Line($"\nAIC {Aic:F4}  BIC {bic:F4}  ICL {Icl:F4}"));
        text.AppendLine();
        if (Table.Count > 0)
            CoefficientEstimate.Append(text, Table);
        foreach (var warning in Warnings())
            text.AppendLine(warning);
        return text.ToString();
    }

    private IEnumerable<string> Warnings()
    {
        if (Separation)
            yield return "Warning: the gate separates the experts; its slopes have no finite estimate without a ridge.";
        if (FloorHits > 0)
            yield return Line($"Warning: the noise of {FloorHits} experts is at its floor.");
        if (Dropped.Count > 0)
            yield return $"Warning: dropped {string.Join(", ", Dropped)}.";
        if (LargestDecrease > 0)
            yield return Line($"Warning: the log-likelihood fell by {LargestDecrease:G3} where it should not.");
        if (UnlikelyRows > 0)
            yield return Line($"Warning: {UnlikelyRows} rows are impossible under every expert.");
    }

    private static string Line(FormattableString line) => line.ToString(CultureInfo.InvariantCulture);
}
