namespace Moe.Classical;

/// <summary>How far gradient training has come.</summary>
/// <param name="Epoch">From 1.</param>
/// <param name="Loss">The mean loss of the epoch's batches, real responses standardised.</param>
/// <param name="ValidationLoss">On the rows held back after the epoch; null without them.</param>
public sealed record GradientProgress(int Epoch, double Loss, double? ValidationLoss);
