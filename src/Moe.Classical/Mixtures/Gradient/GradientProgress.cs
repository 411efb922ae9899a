namespace Moe.Classical;

/// <summary>How far gradient training has come.</summary>
/// <param name="Epoch">From 1.</param>
/// <param name="Loss">The mean loss of the rows that are trained on after the epoch, as <see cref="GradientReport.TrainingLosses"/> has it.</param>
/// <param name="ValidationLoss">That of the rows held back; null without them.</param>
public sealed record GradientProgress(int Epoch, double Loss, double? ValidationLoss);
