using System.Globalization;
using System.Text;
using static TorchSharp.torch;

namespace Moe.Classical;

/// <summary>How a gate over experts was fitted, and what it is worth. Losses are means over the rows by their weights, of experts' answers that are out of fold.</summary>
public sealed record GatedExpertsReport
{
    /// <summary>What was made small.</summary>
    public required GatedLoss Loss { get; init; }

    /// <summary>n, rows of weight 0 included.</summary>
    public required long Rows { get; init; }

    /// <summary>Names of the experts.</summary>
    public required IReadOnlyList<string> Names { get; init; }

    /// <summary>The ridge of the gate; null for a gate with a learner of its own.</summary>
    public double? Ridge { get; init; }

    /// <summary>The cross-validated loss of each ridge that was tried, from the largest; empty for a gate with a learner of its own.</summary>
    public required IReadOnlyList<RidgeScore> Ridges { get; init; }

    /// <summary>The loss of the gate on the rows that it was fitted to.</summary>
    public required double FittedLoss { get; init; }

    /// <summary>The loss where the gate, too, has not seen the rows: each fold's by a gate fitted to the other folds.</summary>
    public required double CrossValidatedLoss { get; init; }

    /// <summary>The loss of experts with equal weights.</summary>
    public required double AverageLoss { get; init; }

    /// <summary>The loss of each expert alone.</summary>
    public required IReadOnlyList<double> ExpertLosses { get; init; }

    /// <summary>The mean of the gate's probability of each expert.</summary>
    public required IReadOnlyList<double> MeanGates { get; init; }

    /// <summary>The objective, which has the ridge in it and is in the loss's own unit, before each step of the last fit and at its end. It never rises.</summary>
    public required IReadOnlyList<double> Trace { get; init; }

    /// <summary>True if the gate's fit ended because nothing more was to be gained.</summary>
    public required bool Converged { get; init; }

    /// <summary>What to know before the gate is trusted; empty if there is nothing.</summary>
    public required IReadOnlyList<string> Warnings { get; init; }

    internal double[] Shares { get; init; } = [];

    /// <summary>
    /// How probable it is, given gate and response, that each expert made the response, by answers that are out of fold: a start for <see cref="MixtureLearner.Fit"/>. Rows of
    /// weight 0 have the gate's probabilities.
    /// </summary>
    /// <returns>[n, K], Float64 on the CPU; each row's sum is 1. The caller owns it.</returns>
    public Tensor Responsibilities() => tensor(Shares, [Rows, Names.Count]);

    /// <summary>A table of experts, and the warnings.</summary>
    public override string ToString()
    {
        var text = new StringBuilder();
        text.AppendLine(Line($"Gate over {Names.Count} experts, {Rows} rows, {Loss}: {CrossValidatedLoss:G5} out of fold{(Ridge is { } ridge ? Line($", ridge {ridge:G3}") : "")}"));
        var wide = Math.Max(6, Names.Max(name => name.Length));
        text.AppendLine(Line($"{"expert".PadRight(wide)}  {"loss",10} {"gate",8}"));
        for (var expert = 0; expert < Names.Count; expert++)
            text.AppendLine(Line($"{Names[expert].PadRight(wide)}  {ExpertLosses[expert],10:G5} {MeanGates[expert],8:F4}"));
        text.AppendLine(Line($"equal weights {AverageLoss:G5}, fitted {FittedLoss:G5}"));
        foreach (var warning in Warnings)
            text.AppendLine($"Warning: {warning}");
        return text.ToString();
    }

    private static string Line(FormattableString line) => line.ToString(CultureInfo.InvariantCulture);
}
