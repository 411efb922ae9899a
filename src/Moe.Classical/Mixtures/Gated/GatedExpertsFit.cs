namespace Moe.Classical;

/// <summary>A fitted gate over experts.</summary>
/// <param name="Mixture">Gate and experts as one expert.</param>
/// <param name="Report">How it was fitted.</param>
public sealed record GatedExpertsFit(FittedMixture Mixture, GatedExpertsReport Report)
{
    /// <inheritdoc/>
    public override string ToString() => Report.ToString();
}
