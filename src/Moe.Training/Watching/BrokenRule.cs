namespace Moe.Training;

/// <summary>A rule that a mixture broke over a window.</summary>
/// <param name="Rule">Which one.</param>
/// <param name="Value">What was measured.</param>
/// <param name="Threshold">What is allowed at most; at least, for entropy and weight margin.</param>
public sealed record BrokenRule(CollapseRule Rule, double Value, double Threshold)
{
    /// <summary>For a log.</summary>
    /// <returns>Rule, value and threshold.</returns>
    public override string ToString() => string.Create(
        System.Globalization.CultureInfo.InvariantCulture,
        $"{Rule} {Value:0.###} (at {(Rule is CollapseRule.Entropy or CollapseRule.WeightMargin ? "least" : "most")} {Threshold:0.###})");
}
