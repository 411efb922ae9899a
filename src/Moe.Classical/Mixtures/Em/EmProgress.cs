namespace Moe.Classical;

/// <summary>One iteration of one start.</summary>
/// <param name="Start">Which start, from 0.</param>
/// <param name="Iteration">Which iteration, from 1.</param>
/// <param name="LogLikelihood">The log-likelihood after it.</param>
public sealed record EmProgress(int Start, int Iteration, double LogLikelihood);
