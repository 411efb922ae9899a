namespace Moe.Benchmarks.Ratios;

/// <summary>Where the middle half of the measurements lies, in milliseconds.</summary>
internal sealed record Quartiles(double Low, double Median, double High)
{
    public static Quartiles Of(IEnumerable<double> samples)
    {
        double[] sorted = [.. samples.Order()];
        return new Quartiles(At(sorted, 0.25), At(sorted, 0.5), At(sorted, 0.75));
    }

    /// <summary>Between two samples it is interpolated.</summary>
    private static double At(double[] sorted, double share)
    {
        var place = share * (sorted.Length - 1);
        var below = (int)place;
        var above = Math.Min(below + 1, sorted.Length - 1);
        return sorted[below] + (place - below) * (sorted[above] - sorted[below]);
    }
}
