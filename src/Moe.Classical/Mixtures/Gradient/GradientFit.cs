namespace Moe.Classical;

/// <summary>A mixture that gradients trained.</summary>
/// <param name="Mixture">Gate and experts as one expert.</param>
/// <param name="Report">How it was trained.</param>
public sealed record GradientFit(FittedMixture Mixture, GradientReport Report)
{
    /// <inheritdoc/>
    public override string ToString() => Report.ToString();
}
