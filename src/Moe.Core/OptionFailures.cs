namespace Moe.Core;

/// <summary>
/// Collects everything that is wrong with one options record, so that its user reads all of it in one message.
/// </summary>
internal sealed class OptionFailures(string optionsName)
{
    private readonly List<string> _failures = [];

    /// <summary>Notes <paramref name="failure"/> (value and rule) unless <paramref name="holds"/>.</summary>
    public OptionFailures Require(bool holds, string failure)
    {
        if (!holds)
            _failures.Add(failure);
        return this;
    }

    /// <summary>Throws one <see cref="ArgumentException"/> with every failure noted so far.</summary>
    public void ThrowIfAny(string parameterName)
    {
        if (_failures.Count > 0)
            throw new ArgumentException($"{optionsName} is not valid: {string.Join(" ", _failures)}", parameterName);
    }
}
