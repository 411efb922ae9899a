namespace Moe.Testing;

/// <summary>One law that was broken, under which conditions, and what was seen.</summary>
/// <param name="Law">The law's name.</param>
/// <param name="Case">The conditions: numbers of experts, choices and tokens, type, seed, mode.</param>
/// <param name="Seen">What was seen instead of what the law asks for.</param>
public sealed record ContractViolation(string Law, string Case, string Seen)
{
    /// <inheritdoc/>
    public override string ToString() => $"{Law} ({Case}): {Seen}";
}
