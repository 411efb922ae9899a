using System.Globalization;
using System.Text;

namespace Moe.Classical;

/// <summary>One coefficient with its standard error.</summary>
/// <param name="Part">"gate" and the expert's name, or the expert's name.</param>
/// <param name="Term">"(intercept)", the column's name, or "log(sigma)".</param>
/// <param name="Estimate">The coefficient.</param>
/// <param name="StandardError">The root of its entry in the inverse of the observed information; null where that has no inverse.</param>
public sealed record CoefficientEstimate(string Part, string Term, double Estimate, double? StandardError)
{
    /// <summary>Estimate over standard error: Wald's statistic for the coefficient being 0.</summary>
    public double? Z => StandardError is { } error and > 0 ? Estimate / error : null;

    /// <summary>The probability of so large a |z| if the coefficient were 0.</summary>
    public double? P => Z is { } z ? 2 * DistributionFunctions.Normal(-Math.Abs(z)) : null;

    internal static void Append(StringBuilder text, IReadOnlyList<CoefficientEstimate> table)
    {
        var part = table.Max(row => row.Part.Length);
        var term = table.Max(row => row.Term.Length);
        text.AppendLine().AppendLine(CultureInfo.InvariantCulture, $"{"".PadRight(part)}  {"".PadRight(term)}  {"estimate",12} {"std. error",12} {"z",9} {"p",9}");
        foreach (var row in table)
            text.AppendLine(CultureInfo.InvariantCulture, $"{row.Part.PadRight(part)}  {row.Term.PadRight(term)}  {row.Estimate,12:G6} {row.StandardError,12:G5} {row.Z,9:F3} {row.P,9:G3}");
    }
}
