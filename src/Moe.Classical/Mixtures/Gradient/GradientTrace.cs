namespace Moe.Classical;

/// <summary>The course of one training.</summary>
/// <param name="Training">The mean loss of the rows that are trained on after each epoch.</param>
/// <param name="HeldOut">That of the rows held back; empty without them.</param>
/// <param name="KeptEpoch">The epoch whose state was kept, from 1.</param>
/// <param name="StoppedEarly">True if patience ended it.</param>
internal sealed record GradientTrace(IReadOnlyList<double> Training, IReadOnlyList<double> HeldOut, int KeptEpoch, bool StoppedEarly);
