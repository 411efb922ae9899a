namespace Moe.Classical;

/// <summary>The values of one column that lead to a leaf: above <paramref name="Above"/>, up to <paramref name="UpTo"/>.</summary>
/// <param name="Column">Which column, from 0.</param>
/// <param name="Above">Not itself in the range; -∞ if there is no such bound.</param>
/// <param name="UpTo">In the range; ∞ if there is no such bound.</param>
public readonly record struct TreeRange(int Column, double Above, double UpTo)
{
    /// <summary>In words, with 6 digits: "x3 &lt;= 1.5", "x3 &gt; 1.5", "0.5 &lt; x3 &lt;= 1.5".</summary>
    /// <param name="name">The column's name.</param>
    public string Text(string name) => FormattableString.Invariant(
        double.IsNegativeInfinity(Above) ? $"{name} <= {UpTo:G6}" : double.IsPositiveInfinity(UpTo) ? (FormattableString)$"{name} > {Above:G6}" : $"{Above:G6} < {name} <= {UpTo:G6}");
}
