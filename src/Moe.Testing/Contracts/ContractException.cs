namespace Moe.Testing;

/// <summary>Thrown when laws of a contract are broken. The message lists each with the conditions and what was seen.</summary>
public sealed class ContractException : Exception
{
    /// <summary>How many violations of one law the message shows; more say the same again.</summary>
    private const int ShownOfEachLaw = 5;

    /// <summary>Creates the exception without detail.</summary>
    public ContractException()
        : base("A contract is broken.")
    {
    }

    /// <summary>Creates the exception with a message.</summary>
    /// <param name="message">What was seen.</param>
    public ContractException(string message)
        : base(message)
    {
    }

    /// <summary>Creates the exception with a message and a cause.</summary>
    /// <param name="message">What was seen.</param>
    /// <param name="innerException">The cause.</param>
    public ContractException(string message, Exception innerException)
        : base(message, innerException)
    {
    }

    /// <summary>Creates the exception from what was seen.</summary>
    /// <param name="violations">The laws that were broken.</param>
    public ContractException(IReadOnlyList<ContractViolation> violations)
        : base(Describe(violations)) => Violations = violations;

    /// <summary>The laws that were broken, all of them.</summary>
    public IReadOnlyList<ContractViolation> Violations { get; } = [];

    private static string Describe(IReadOnlyList<ContractViolation> violations)
    {
        ArgumentNullException.ThrowIfNull(violations);
        var laws = violations.GroupBy(violation => violation.Law).ToArray();
        var lines = new List<string> { $"{laws.Length} law{(laws.Length == 1 ? " is" : "s are")} broken:" };
        foreach (var law in laws)
        {
            lines.AddRange(law.Take(ShownOfEachLaw).Select(violation => $"- {violation}"));
            if (law.Count() > ShownOfEachLaw)
                lines.Add($"- {law.Key}: {law.Count() - ShownOfEachLaw} times more.");
        }
        return string.Join(Environment.NewLine, lines);
    }
}
