using System.Globalization;
using System.Text;

namespace Moe.Classical;

/// <summary>How gradients trained a mixture.</summary>
/// <remarks>
/// Losses are means over rows by their weights, in the unit of the responses: -log Σ g p with all constants, or with <see cref="GradientLoss.BlendedError"/> of real numbers the
/// squared error. They are of the state after an epoch, without the balance term; members that could repeat their own rows are judged out of fold.
/// </remarks>
public sealed record GradientReport
{
    /// <summary>What was made small.</summary>
    public required GradientLoss Loss { get; init; }

    /// <summary>The rows that were trained on; those of weight 0 are not.</summary>
    public required long TrainedRows { get; init; }

    /// <summary>The rows that were held back.</summary>
    public required long HeldOutRows { get; init; }

    /// <summary>Names of the experts.</summary>
    public required IReadOnlyList<string> Names { get; init; }

    /// <summary>The loss of the rows trained on, after each epoch.</summary>
    public required IReadOnlyList<double> TrainingLosses { get; init; }

    /// <summary>The loss of the rows held back, after each epoch; empty without them.</summary>
    public required IReadOnlyList<double> HeldOutLosses { get; init; }

    /// <summary>Σ w log Σ g p of the rows trained on, after each epoch; empty where noise is not trained, with <see cref="GradientLoss.BlendedError"/> of real numbers.</summary>
    public required IReadOnlyList<double> Trace { get; init; }

    /// <summary>Epochs that were made.</summary>
    public int Epochs => TrainingLosses.Count;

    /// <summary>The epoch whose state is the fitted mixture, from 1: that of the least held-out loss, or the last.</summary>
    public required int KeptEpoch { get; init; }

    /// <summary>The log-likelihood of the rows trained on after the epoch that was kept; null where <see cref="Trace"/> is empty.</summary>
    public double? LogLikelihood => Trace.Count == 0 ? null : Trace[KeptEpoch - 1];

    /// <summary>True if training ended before all epochs were made, as the held-out loss fell no more.</summary>
    public required bool StoppedEarly { get; init; }

    /// <summary>True if some experts were judged by rows that they had not seen; losses and log-likelihoods are then of such answers.</summary>
    public required bool OutOfFold { get; init; }

    /// <summary>The mean of the gate's probability of each expert over the rows trained on.</summary>
    public required IReadOnlyList<double> MeanGates { get; init; }

    /// <summary>What to know before the mixture is trusted; empty if there is nothing.</summary>
    public required IReadOnlyList<string> Warnings { get; init; }

    /// <summary>Seconds of the whole fit.</summary>
    public double Seconds { get; init; }

    /// <summary>A table of experts, and the warnings.</summary>
    public override string ToString()
    {
        var text = new StringBuilder();
        text.AppendLine(Line($"Mixture of {Names.Count} experts, {TrainedRows} rows, {Loss}: epoch {KeptEpoch} of {Epochs} kept{(StoppedEarly ? ", stopped early" : "")}"));
        var wide = Math.Max(6, Names.Max(name => name.Length));
        text.AppendLine(Line($"{"expert".PadRight(wide)}  {"gate",8}"));
        for (var expert = 0; expert < Names.Count; expert++)
            text.AppendLine(Line($"{Names[expert].PadRight(wide)}  {MeanGates[expert],8:F4}"));
        text.Append(Line($"loss {TrainingLosses[KeptEpoch - 1]:G5}{(OutOfFold ? " (out of fold)" : "")}"));
        if (HeldOutLosses.Count > 0)
            text.Append(Line($", of {HeldOutRows} rows held back {HeldOutLosses[KeptEpoch - 1]:G5}"));
        if (LogLikelihood is { } likelihood)
            text.Append(Line($", log-likelihood {likelihood:F4}"));
        text.AppendLine();
        foreach (var warning in Warnings)
            text.AppendLine($"Warning: {warning}");
        return text.ToString();
    }

    /// <summary>The report of a model that is as it was kept.</summary>
    internal static GradientReport Of(GradientModel model, GradientRows rows, GradientOptions options, GradientTrace trace)
    {
        var names = model.Parts.Select(part => part.Member.Name).ToArray();
        var means = model.MeanGates(rows.Trained);
        return new GradientReport
        {
            Loss = options.Loss,
            TrainedRows = rows.Trained.Length,
            HeldOutRows = rows.Watched.Length,
            Names = names,
            TrainingLosses = trace.Training,
            HeldOutLosses = trace.HeldOut,
            Trace = model.IsBlended ? [] : [.. trace.Training.Select(loss => -loss * rows.TrainedWeight)],
            KeptEpoch = trace.KeptEpoch,
            StoppedEarly = trace.StoppedEarly,
            OutOfFold = model.Parts.Any(part => part.IsOutOfFold),
            MeanGates = means,
            Warnings = [.. GradientWarnings.Of(model, means, trace)],
        };
    }

    private static string Line(FormattableString line) => line.ToString(CultureInfo.InvariantCulture);
}
