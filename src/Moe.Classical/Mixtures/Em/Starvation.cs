namespace Moe.Classical;

/// <summary>An expert that could not be fitted to its share of the rows, and why.</summary>
internal sealed record Starvation(int Expert, string Reason);
