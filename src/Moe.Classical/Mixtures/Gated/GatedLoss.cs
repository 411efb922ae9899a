namespace Moe.Classical;

/// <summary>What a gate over experts is fitted to make small (Jacobs, Jordan, Nowlan and Hinton 1991).</summary>
public enum GatedLoss
{
    /// <summary>-log Σₖ gₖ(x) pₖ(y): each row may come from any expert, and experts compete for it.</summary>
    MixtureLikelihood,

    /// <summary>
    /// The squared error of the blend, |y - Σₖ gₖ(x) fₖ(x)|²: experts may cancel each other's errors. For classes it is summed over the classes' probabilities (Brier score);
    /// for successes out of trials it is of the share of successes, each row counted once for each trial.
    /// </summary>
    BlendedError,

    /// <summary>Σₖ gₖ(x) cₖ: what it costs on average to let one expert answer that the gate draws. Drives the gate to the cheapest expert of each region.</summary>
    ExpectedCost,
}
