namespace Moe.Classical;

/// <summary>How a gate of one ridge does on rows that it was not fitted to.</summary>
/// <param name="Ridge">λ.</param>
/// <param name="Loss">The weighted mean loss over all folds.</param>
public sealed record RidgeScore(double Ridge, double Loss);
