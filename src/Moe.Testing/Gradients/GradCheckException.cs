namespace Moe.Testing;

/// <summary>Thrown when gradients are not what differences say. The message lists each entry with both numbers.</summary>
public sealed class GradCheckException : Exception
{
    /// <summary>How many entries the message shows.</summary>
    private const int Shown = 20;

    /// <summary>Creates the exception without detail.</summary>
    public GradCheckException()
        : base("Gradients are not what differences say.")
    {
    }

    /// <summary>Creates the exception with a message.</summary>
    /// <param name="message">What was seen.</param>
    public GradCheckException(string message)
        : base(message)
    {
    }

    /// <summary>Creates the exception with a message and a cause.</summary>
    /// <param name="message">What was seen.</param>
    /// <param name="innerException">The cause.</param>
    public GradCheckException(string message, Exception innerException)
        : base(message, innerException)
    {
    }

    /// <summary>Creates the exception from what was seen.</summary>
    /// <param name="mismatches">The entries.</param>
    public GradCheckException(IReadOnlyList<GradientMismatch> mismatches)
        : base(Describe(mismatches)) => Mismatches = mismatches;

    /// <summary>The entries, all of them.</summary>
    public IReadOnlyList<GradientMismatch> Mismatches { get; } = [];

    private static string Describe(IReadOnlyList<GradientMismatch> mismatches)
    {
        ArgumentNullException.ThrowIfNull(mismatches);
        var lines = mismatches.Take(Shown).Select(mismatch => $"- {mismatch}")
            .Prepend($"{mismatches.Count} gradient{(mismatches.Count == 1 ? " is" : "s are")} not what differences say:");
        return string.Join(Environment.NewLine, mismatches.Count > Shown ? lines.Append($"- and {mismatches.Count - Shown} more.") : lines);
    }
}
