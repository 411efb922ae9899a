namespace Moe.Classical;

/// <summary>Rows whose value in a column is at most the threshold go left, the others right.</summary>
/// <param name="Column">Which column.</param>
/// <param name="Threshold">Lies between two values of the rows.</param>
/// <param name="Gain">By how much the sum of weight × impurity falls.</param>
internal readonly record struct TreeSplit(int Column, double Threshold, double Gain);
