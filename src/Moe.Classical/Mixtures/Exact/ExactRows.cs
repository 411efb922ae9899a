using Moe.Core;

namespace Moe.Classical;

/// <summary>Responses and weights in arrays, with each row's constant of the log-density. Shared by all starts, which only read.</summary>
internal sealed class ExactRows
{
    /// <summary>A deviation, relative to the responses' size, that is rounding alone.</summary>
    private const double Rounding = 1e-13;

    /// <summary>The least σ of responses that are all alike, relative to their size: residuals, which are rounding, are nothing beside it.</summary>
    private const double FloorOfAlike = 1e-11;

    public ExactRows(FitData data)
    {
        Values = HostMemory.Of<double>(data.Response.Values).ToArray();
        Trials = data.Response.Trials is { } trials ? HostMemory.Of<double>(trials).ToArray() : [];
        Weights = new double[Values.Length];
        if (data.Weights is { } weights)
            HostMemory.Of<double>(weights).CopyTo(Weights);
        else
            Array.Fill(Weights, 1);
        foreach (var weight in Weights)
            Total += weight;
        Constants = new double[Values.Length];
        var (mean, squares) = (0.0, 0.0);
        for (var row = 0; row < Values.Length; row++)
        {
            mean += Weights[row] * Values[row] / Total;
            Constants[row] = data.Response.Kind switch
            {
                ResponseKind.Count => -DistributionFunctions.LogGamma(Values[row] + 1),
                ResponseKind.Trials => DistributionFunctions.LogChoose(Trials[row], Values[row]),
                _ => 0,
            };
        }
        for (var row = 0; row < Values.Length; row++)
            squares += Weights[row] * (Values[row] - mean) * (Values[row] - mean);
        Deviation = Math.Sqrt(squares / Total);
    }

    /// <summary>y, [n].</summary>
    public double[] Values { get; }

    /// <summary>Trials, [n]; empty if the responses are not successes.</summary>
    public double[] Trials { get; }

    /// <summary>s, [n].</summary>
    public double[] Weights { get; }

    /// <summary>Σ s.</summary>
    public double Total { get; }

    /// <summary>What the log-density of each row has that no parameter changes, [n].</summary>
    public double[] Constants { get; }

    /// <summary>The standard deviation of the responses.</summary>
    public double Deviation { get; }

    /// <summary>The least σ: a share of the responses' own.</summary>
    public double FloorOf(double share)
    {
        var size = Values.Max(Math.Abs);
        return Math.Max(Deviation > Rounding * size ? share * Deviation : FloorOfAlike * size, 1e-100);
    }
}
