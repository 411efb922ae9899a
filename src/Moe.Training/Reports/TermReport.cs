namespace Moe.Training;

/// <summary>A balance loss in plain numbers.</summary>
/// <param name="Value">The loss before λ, the mean over the samples.</param>
/// <param name="Lambda">λ: schedule times adaptive factor; over an epoch the mean over its samples.</param>
public sealed record TermReport(double Value, double Lambda);
