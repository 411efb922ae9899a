namespace Moe.Classical;

/// <summary>One number of experts that was tried.</summary>
/// <param name="Experts">K.</param>
/// <param name="Report">How its fit went; null if it failed.</param>
/// <param name="CrossValidated">The log-likelihood of rows left out, all folds together; null unless asked for, and where a fold failed.</param>
/// <param name="Failure">Why it failed; null if it did not.</param>
public sealed record MixtureCandidate(int Experts, FitReport? Report, double? CrossValidated, string? Failure);
