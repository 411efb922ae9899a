using System.Globalization;
using System.Text;

namespace Moe.Classical;

/// <summary>The number of experts that was chosen, and all that were tried.</summary>
public sealed class MixtureChoice
{
    internal MixtureChoice(FittedMixture best, SelectionCriterion criterion, IReadOnlyList<MixtureCandidate> candidates) =>
        (Best, Criterion, Candidates) = (best, criterion, candidates);

    /// <summary>The mixture of the chosen number of experts.</summary>
    public FittedMixture Best { get; }

    /// <summary>By what it was chosen.</summary>
    public SelectionCriterion Criterion { get; }

    /// <summary>Every number that was tried, in order.</summary>
    public IReadOnlyList<MixtureCandidate> Candidates { get; }

    /// <summary>The table of what was tried.</summary>
    public override string ToString()
    {
        var text = new StringBuilder();
        text.AppendLine(CultureInfo.InvariantCulture, $"{"experts",7} {"log-lik.",14} {"df",6} {"AIC",14} {"BIC",14} {"ICL",14} {"left out",14}");
        foreach (var (experts, report, left, failure) in Candidates)
        {
            text.AppendLine(report is null
                ? string.Create(CultureInfo.InvariantCulture, $"{experts,7} {failure}")
                : string.Create(CultureInfo.InvariantCulture, $"{experts,7} {report.LogLikelihood,14:F3} {report.DegreesOfFreedom,6:G4} {report.Aic,14:F3} {report.Bic,14:F3} {report.Icl,14:F3} {left,14:F3}"));
        }
        text.AppendLine(CultureInfo.InvariantCulture, $"chosen by {Criterion}: {Best.Components.Count}");
        return text.ToString();
    }
}
