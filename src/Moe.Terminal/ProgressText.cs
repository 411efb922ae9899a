using System.Globalization;
using Moe.Training;

namespace Moe.Terminal;

/// <summary>Numbers as a reader takes them in at a glance. The same in every culture, so that logs can be compared.</summary>
internal static class ProgressText
{
    /// <summary>One epoch that is over.</summary>
    public static string Epoch(EpochReport report, int epochs)
    {
        var width = Number(epochs).Length;
        return string.Join("  ", [
            $"epoch {Number(report.Epoch + 1).PadLeft(width)}/{epochs}",
            .. Judgement(report),
            $"{Rate(report.TokensPerSecond)} tokens/s",
        ]);
    }

    /// <summary>A training that is over: what it came to, by its last epoch.</summary>
    public static string Summary(TrainingResult result) => string.Join("  ", [
        $"{result.Epochs.Count} epoch{(result.Epochs.Count == 1 ? "" : "s")}{End(result)}",
        .. result.Epochs.Count == 0 ? [] : Judgement(result.Epochs[^1]),
        $"{result.Elapsed.TotalSeconds.ToString("0.0", CultureInfo.InvariantCulture)} s",
    ]);

    /// <summary>0:07, 12:30, 1:02:03.</summary>
    public static string Duration(TimeSpan time)
    {
        var seconds = TimeSpan.FromSeconds(Math.Ceiling(time.TotalSeconds));
        return seconds.ToString(seconds.TotalHours >= 1 ? @"h\:mm\:ss" : @"m\:ss", CultureInfo.InvariantCulture) is var text && seconds.TotalDays >= 1
            ? $"{(long)seconds.TotalDays} d {text}"
            : text;
    }

    /// <summary>1,234.</summary>
    public static string Rate(double perSecond) => perSecond.ToString("N0", CultureInfo.InvariantCulture);

    /// <summary>Four decimals: enough to see a loss move.</summary>
    public static string Fine(double value) => value.ToString(Math.Abs(value) < 1000 ? "0.0000" : "G6", CultureInfo.InvariantCulture);

    private static string End(TrainingResult result) =>
        result.StoppedBy is { } alert ? $", stopped by the alarm at step {alert.Step.ToString(CultureInfo.InvariantCulture)}"
        : result.StoppedEarly ? ", stopped early"
        : "";

    private static IEnumerable<string> Judgement(EpochReport report)
    {
        yield return $"loss {Fine(report.Loss)}";
        if (report.Routing.Count > 0)
            yield return $"balance {report.Balance.ToString("0.00", CultureInfo.InvariantCulture)}";
        if (report.Validation is not { } validation)
            yield break;
        yield return $"validation loss {Fine(validation.TaskLoss)}";
        foreach (var (name, value) in validation.Metrics)
            yield return $"{name} {Fine(value)}";
    }

    private static string Number(int value) => value.ToString(CultureInfo.InvariantCulture);
}
