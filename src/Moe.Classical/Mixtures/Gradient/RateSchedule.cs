namespace Moe.Classical;

/// <summary>The share of the learning rate that each step takes, from the first batch to the last of all epochs.</summary>
internal sealed class RateSchedule(GradientOptions options, int rows)
{
    private readonly long _steps = options.Epochs * BatchesOf(options, rows);
    private readonly long _warming = options.WarmUpEpochs * BatchesOf(options, rows);

    /// <summary>The share, above 0 and at most 1.</summary>
    /// <param name="step">From 0.</param>
    public double At(long step)
    {
        if (step < _warming)
            return (step + 1.0) / (_warming + 1);
        var way = Math.Min((step - _warming) / Math.Max(_steps - _warming - 1.0, 1), 1);
        return options.Decay switch
        {
            RateDecay.Linear => 1 - ((1 - options.LastRateShare) * way),
            RateDecay.Cosine => options.LastRateShare + ((1 - options.LastRateShare) * (1 + Math.Cos(Math.PI * way)) / 2),
            _ => 1,
        };
    }

    private static long BatchesOf(GradientOptions options, int rows) => ((long)rows + options.BatchRows - 1) / options.BatchRows;
}
