namespace Moe.Classical;

/// <summary>One leaf of a tree in words: for which rows it answers, and what.</summary>
/// <param name="Ranges">The ranges that a row's columns must lie in, in the order that the tree asks; none if it answers every row.</param>
/// <param name="Condition">The same in words, such as "x3 &lt;= 1.5 and x7 &gt; 2"; "always" without ranges. Numbers have 6 digits; those of the ranges are exact.</param>
/// <param name="Answer">[Dout]: the mean, or the probability of each class.</param>
/// <param name="Conclusion">The mean with 6 digits, or the most probable class (the lowest of equally probable ones).</param>
/// <param name="Weight">The weight of the fit's rows in the leaf, as given to the fit.</param>
public sealed record TreeRule(IReadOnlyList<TreeRange> Ranges, string Condition, IReadOnlyList<double> Answer, string Conclusion, double Weight)
{
    /// <summary>Such as "x3 &lt;= 1.5 and x7 &gt; 2 → 4 (weight 31)".</summary>
    public override string ToString() => FormattableString.Invariant($"{Condition} → {Conclusion} (weight {Weight:G6})");
}
