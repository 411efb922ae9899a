namespace Moe.Classical;

/// <summary>Sums of exponentials by their logarithms.</summary>
internal static class LogSum
{
    /// <summary>log Σ exp; -∞ of nothing but -∞.</summary>
    public static double Of(ReadOnlySpan<double> values)
    {
        var greatest = double.NegativeInfinity;
        foreach (var value in values)
            greatest = Math.Max(greatest, value);
        if (double.IsInfinity(greatest))
            return greatest;
        var sum = 0.0;
        foreach (var value in values)
            sum += Math.Exp(value - greatest);
        return greatest + Math.Log(sum);
    }

    /// <summary>Turns logarithms into shares with a sum of 1, and gives log Σ exp; leaves them as they are where that is -∞.</summary>
    public static double ToShares(Span<double> values)
    {
        var greatest = double.NegativeInfinity;
        foreach (var value in values)
            greatest = Math.Max(greatest, value);
        if (double.IsInfinity(greatest))
            return greatest;
        var sum = 0.0;
        for (var place = 0; place < values.Length; place++)
            sum += values[place] = Math.Exp(values[place] - greatest);
        for (var place = 0; place < values.Length; place++)
            values[place] /= sum;
        return greatest + Math.Log(sum);
    }

    /// <summary>Takes the log of the sum away from each, so that the exponentials sum to 1.</summary>
    public static void Normalise(Span<double> values)
    {
        var sum = Of(values);
        for (var place = 0; place < values.Length; place++)
            values[place] -= sum;
    }
}
