using System.Globalization;

namespace Moe.Classical;

/// <summary>What to know before a mixture that gradients trained is trusted.</summary>
internal static class GradientWarnings
{
    /// <summary>An expert whose mean gate is below this share of an equal one has no part in the mixture.</summary>
    private const double Idle = 0.01;

    /// <summary>A rise of the loss that is more than this share of all that was gained.</summary>
    private const double Rise = 0.05;

    public static IEnumerable<string> Of(GradientModel model, double[] means, GradientTrace trace)
    {
        for (var expert = 0; expert < means.Length; expert++)
        {
            var part = model.Parts[expert];
            if (means[expert] < Idle / means.Length)
                yield return string.Create(CultureInfo.InvariantCulture, $"The gate hardly asks expert \"{part.Member.Name}\" ({means[expert]:G3} on average).");
            if (!model.IsBlended && part.IsAtFloor)
                yield return $"The noise of expert \"{part.Member.Name}\" is at its floor.";
        }
        if (trace.HeldOut.Count > 1 && trace.KeptEpoch == trace.HeldOut.Count)
            yield return "The loss of the rows held back was least after the last epoch; more epochs may be better.";
        var (first, last, least) = (trace.Training[0], trace.Training[^1], trace.Training.Min());
        if (trace.HeldOut.Count == 0 && last - least > Rise * (first - least))
            yield return string.Create(CultureInfo.InvariantCulture, $"The loss ended at {last:G5}, above its least of {least:G5}; a lower learning rate may be better.");
    }
}
