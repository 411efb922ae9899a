namespace Moe.Classical;

/// <summary>Where one expert answers, as rules.</summary>
/// <param name="Expert">Which expert, from 0.</param>
/// <param name="Share">The share of the rows that it answers, by weight.</param>
/// <param name="Recall">Of the rows that it answers, the share that its rules cover; 0 if it answers none.</param>
/// <param name="Precision">Of the rows that its rules cover, the share that it answers; 0 if they cover none.</param>
/// <param name="Rules">Its rules; a row that fits any of them is said to be its own. None if it is nowhere the most frequent.</param>
public sealed record ExpertRegion(int Expert, double Share, double Recall, double Precision, IReadOnlyList<TreeRule> Rules);
