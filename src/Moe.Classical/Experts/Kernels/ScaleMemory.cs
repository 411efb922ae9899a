namespace Moe.Classical;

/// <summary>How far behind the length scales were that a fit of kernel ridge did not take, so that a refit to weights moved a little need not try them again.</summary>
/// <remarks>
/// Every length scale that is tried costs a decomposition. Where a share m of all weight had moved in fits by EM, the ratio of the errors of neighbouring length scales had moved by a
/// factor of at most exp(2.4 m); one is left out while it was behind by more than exp(<see cref="Caution"/> m). That is a rule of thumb, no bound: a scale that is left out too long is
/// tried again as more weight moves.
/// </remarks>
internal sealed class ScaleMemory
{
    private const double Caution = 5;
    private readonly double[] _response;
    private readonly (double Lead, double[] Weights)?[] _behind;

    private ScaleMemory(int chosen, double[] response, (double Lead, double[] Weights)?[] behind) => (Chosen, _response, _behind) = (chosen, response, behind);

    /// <summary>Which length scale was taken.</summary>
    public int Chosen { get; }

    /// <summary>What is known after a fit.</summary>
    /// <param name="errors">The error of each length scale; NaN for those that were not tried.</param>
    /// <param name="chosen">Which was taken.</param>
    /// <param name="response">y of the fit, [n].</param>
    /// <param name="weights">Each row's share of the weight in the choice, [n].</param>
    /// <param name="before">What was known before.</param>
    public static ScaleMemory After(double[] errors, int chosen, double[] response, double[] weights, ScaleMemory? before)
    {
        var behind = new (double Lead, double[] Weights)?[errors.Length];
        for (var scale = 0; scale < errors.Length; scale++)
        {
            if (!double.IsNaN(errors[scale]))
                behind[scale] = (Math.Log(errors[scale] / errors[chosen]), weights);
            else if (before?.Chosen == chosen)
                behind[scale] = before._behind[scale];
        }
        return new ScaleMemory(chosen, response, behind);
    }

    /// <summary>True if these are the rows of the fit.</summary>
    public bool Knows(double[] response) => _response.AsSpan().SequenceEqual(response);

    /// <summary>True if a length scale may be better by now than the one that was taken.</summary>
    public bool MayLead(int scale, double[] weights)
    {
        if (scale == Chosen || _behind[scale] is not { } then)
            return true;
        var moved = 0.0;
        for (var row = 0; row < weights.Length; row++)
            moved += Math.Abs(weights[row] - then.Weights[row]) / 2;
        return !(then.Lead > Caution * moved);
    }
}
