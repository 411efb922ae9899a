using System.IO.Enumeration;
using Moe.Benchmarks.Ratios;

namespace Moe.Benchmarks.Measured;

/// <summary>Something that is measured, under a name of its own.</summary>
/// <param name="id">What <c>--cases</c> is compared with.</param>
internal abstract class MeasuredCase(string id)
{
    /// <summary>What the ids of tiny cases begin with, which show in seconds whether everything works. They are run only if they are asked for.</summary>
    public const string Smoke = "smoke";

    public string Id { get; } = id;

    protected bool IsSmoke => Id.StartsWith(Smoke, StringComparison.Ordinal);

    protected MeasuredRow Row(string what, IEnumerable<double> samples, string unit, string? against = null, IEnumerable<double>? others = null, double? target = null)
    {
        var spread = Quartiles.Of(samples);
        return new MeasuredRow
        {
            Case = Id,
            What = what,
            Value = spread.Median,
            Low = spread.Low,
            High = spread.High,
            Unit = unit,
            Against = against,
            AgainstValue = others is null ? null : Quartiles.Of(others).Median,
            Target = target,
        };
    }

    /// <summary>The cases that are meant; those of the smoke test only where the pattern names it.</summary>
    /// <param name="all">All there are.</param>
    /// <param name="patterns">Parts of ids, in which * stands for anything; all but the smoke test when there is none.</param>
    protected static IReadOnlyList<T> Matching<T>(IReadOnlyList<T> all, IReadOnlyList<string> patterns)
        where T : MeasuredCase => [.. all.Where(row => patterns.Count == 0 ? !row.IsSmoke : patterns.Any(row.IsMeant))];

    private bool IsMeant(string pattern) =>
        FileSystemName.MatchesSimpleExpression($"*{pattern}*", Id) && (!IsSmoke || pattern.Contains(Smoke, StringComparison.OrdinalIgnoreCase));
}
