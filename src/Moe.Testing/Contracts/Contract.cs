using static TorchSharp.torch;

namespace Moe.Testing;

/// <summary>Laws that something must obey, to be checked one by one or all together.</summary>
/// <typeparam name="TLaw">The names of the laws.</typeparam>
public abstract class Contract<TLaw>
    where TLaw : struct, Enum
{
    private protected Contract()
    {
    }

    /// <summary>Checks every law.</summary>
    /// <returns>What was seen of laws that are broken; empty if none is.</returns>
    public IReadOnlyList<ContractViolation> Check() => [.. Enum.GetValues<TLaw>().SelectMany(Check)];

    /// <summary>Checks one law.</summary>
    /// <param name="law">The law.</param>
    /// <returns>What was seen if it is broken; empty if it is not.</returns>
    /// <exception cref="ArgumentException">There is no such law.</exception>
    public IReadOnlyList<ContractViolation> Check(TLaw law)
    {
        if (!Enum.IsDefined(law))
            throw new ArgumentException($"Expected one of {string.Join(", ", Enum.GetValues<TLaw>())}, got {law}.", nameof(law));
        var violations = new List<ContractViolation>();
        foreach (var trial in Trials(law))
        {
            using (trial)
            {
                using var scope = NewDisposeScope();
                try
                {
                    trial.Run();
                }
                catch (Exception exception) when (exception is not OutOfMemoryException)
                {
                    trial.Require(false, $"it threw {Trial.Describe(exception)}");
                }
            }
            violations.AddRange(trial.Violations);
        }
        return violations;
    }

    /// <summary>Checks every law, and throws if one is broken.</summary>
    /// <exception cref="ContractException">Laws are broken; the message lists all that are.</exception>
    public void Verify() => ThrowIfAny(Check());

    /// <summary>Checks one law, and throws if it is broken.</summary>
    /// <param name="law">The law.</param>
    /// <exception cref="ContractException">The law is broken.</exception>
    /// <exception cref="ArgumentException">There is no such law.</exception>
    public void Verify(TLaw law) => ThrowIfAny(Check(law));

    /// <summary>The conditions under which a law is looked at.</summary>
    private protected abstract IEnumerable<Trial> Trials(TLaw law);

    private static void ThrowIfAny(IReadOnlyList<ContractViolation> violations)
    {
        if (violations.Count > 0)
            throw new ContractException(violations);
    }
}
