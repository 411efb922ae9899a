using System.Globalization;

namespace Moe.Classical;

/// <summary>Reads the rules off a tree.</summary>
internal static class TreeRules
{
    public static IReadOnlyList<TreeRule> Of(TreeNodes nodes, ResponseKind kind, IReadOnlyList<string>? columns)
    {
        var rules = new TreeRule[nodes.Leaves];
        var open = new Stack<(int Node, TreeRange[] Ranges)>();
        open.Push((0, []));
        while (open.TryPop(out var at))
        {
            if (nodes.Column[at.Node] < 0)
            {
                var leaf = nodes.Child[at.Node];
                rules[leaf] = Rule(at.Ranges, nodes, leaf, kind, columns);
                continue;
            }
            var (column, threshold, child) = (nodes.Column[at.Node], nodes.Threshold[at.Node], nodes.Child[at.Node]);
            open.Push((child + 1, Narrow(at.Ranges, column, threshold, double.PositiveInfinity)));
            open.Push((child, Narrow(at.Ranges, column, double.NegativeInfinity, threshold)));
        }
        return rules;
    }

    /// <summary>A column that was asked for before keeps its place, with the narrower bounds.</summary>
    private static TreeRange[] Narrow(TreeRange[] ranges, int column, double above, double upTo)
    {
        var place = Array.FindIndex(ranges, range => range.Column == column);
        if (place < 0)
            return [.. ranges, new TreeRange(column, above, upTo)];
        var narrowed = (TreeRange[])ranges.Clone();
        narrowed[place] = new TreeRange(column, Math.Max(ranges[place].Above, above), Math.Min(ranges[place].UpTo, upTo));
        return narrowed;
    }

    private static TreeRule Rule(TreeRange[] ranges, TreeNodes nodes, int leaf, ResponseKind kind, IReadOnlyList<string>? columns)
    {
        var condition = ranges.Length == 0 ? "always" : string.Join(" and ", ranges.Select(range => range.Text(columns?[range.Column] ?? $"x{range.Column}")));
        var answer = nodes.Answer(leaf).ToArray();
        var conclusion = kind == ResponseKind.Class
            ? Array.IndexOf(answer, answer.Max()).ToString(CultureInfo.InvariantCulture)
            : answer[0].ToString("G6", CultureInfo.InvariantCulture);
        return new TreeRule(ranges, condition, answer, conclusion, nodes.Weights[leaf]);
    }
}
