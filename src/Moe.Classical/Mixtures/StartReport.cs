namespace Moe.Classical;

/// <summary>How one start of a fit ended.</summary>
/// <param name="Kind">Where it began; null for shares that were given.</param>
/// <param name="Status">How it ended.</param>
/// <param name="LogLikelihood">Of its last iterate, or the best one where the likelihood need not rise; -∞ if it came to nothing.</param>
/// <param name="Iterations">How many it took.</param>
/// <param name="Restarts">How often it was drawn again.</param>
/// <param name="Reason">Why it ended.</param>
public sealed record StartReport(StartKind? Kind, EmStatus Status, double LogLikelihood, int Iterations, int Restarts, string Reason);
