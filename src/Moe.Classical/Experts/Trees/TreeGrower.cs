namespace Moe.Classical;

/// <summary>Grows one tree from presorted columns.</summary>
/// <remarks>
/// Each node owns the same range of places in every column's order. A split parts the range stably, column by column, so that nothing is sorted again: O(D n) a level.
/// </remarks>
internal sealed class TreeGrower
{
    // Gains that differ by less than this share of the node's impurity are equal: they differ by rounding, and the first one stands.
    private const double Tie = 1e-10;

    private readonly TreeRows _rows;
    private readonly double[] _weights;
    private readonly TreeGrowth _growth;
    private readonly DrawSequence _draws;
    private readonly CancellationToken _cancel;
    private readonly double _minLeaf;
    private readonly int[][] _order;
    private readonly bool[] _goesLeft;
    private readonly int[] _aside;
    private readonly int[] _features;
    private readonly SplitSearch _search;
    private readonly GrownTree _tree;

    private TreeGrower(TreeRows rows, double[] weights, TreeGrowth growth, DrawSequence draws, CancellationToken cancel)
    {
        _rows = rows;
        _weights = weights;
        _growth = growth;
        _draws = draws;
        _cancel = cancel;
        _order = [.. rows.Sorted.Select(sorted => Array.FindAll(sorted, row => weights[row] > 0))];
        var total = 0.0;
        foreach (var weight in weights)
            total += weight;
        _minLeaf = Math.Max(growth.MinLeafWeight * (1 - 1e-9), 1e-12 * total);
        _goesLeft = new bool[rows.Count];
        _aside = new int[_order[0].Length];
        _features = [.. Enumerable.Range(0, rows.Width)];
        _search = new SplitSearch(rows, weights, growth.Impurity, _minLeaf);
        _tree = new GrownTree(rows.Classes);
    }

    /// <summary>Grows a tree.</summary>
    /// <param name="rows">The rows.</param>
    /// <param name="weights">[n], at least 0, not all 0; rows of weight 0 are left out.</param>
    /// <param name="growth">The settings.</param>
    /// <param name="draws">Draws columns, where not all are looked at.</param>
    /// <param name="cancel">Ends it early with an exception.</param>
    public static GrownTree Grow(TreeRows rows, double[] weights, TreeGrowth growth, DrawSequence draws, CancellationToken cancel)
    {
        var grower = new TreeGrower(rows, weights, growth, draws, cancel);
        grower.Grow();
        return grower._tree;
    }

    private void Grow()
    {
        // A stack of its own: a tree may be deeper than the thread's stack.
        var open = new Stack<(int Node, int Start, int End, int Depth)>();
        Add(0, _order[0].Length, 0, open);
        while (open.TryPop(out var at))
        {
            _cancel.ThrowIfCancellationRequested();
            if (Best(at.Start, at.End, at.Node) is not { } split)
                continue;
            var middle = Mark(split, at.Start, at.End);
            Part(_order[0], at.Start, at.End);
            var waiting = open.Count;
            _tree.Split(at.Node, split);
            Add(at.Start, middle, at.Depth + 1, open);
            Add(middle, at.End, at.Depth + 1, open);

            // Most nodes near the bottom have two leaves, which nobody will look into.
            if (open.Count == waiting)
                continue;
            for (var column = 1; column < _order.Length; column++)
                Part(_order[column], at.Start, at.End);
        }
    }

    /// <summary>Adds the node of a range, and puts it on the stack if it may be split. Only the first column's order needs to be parted yet.</summary>
    private void Add(int start, int end, int depth, Stack<(int Node, int Start, int End, int Depth)> open)
    {
        var node = _search.Enter(_order[0], start, end, _tree);
        if (depth < _growth.MaxDepth && _tree.Impurity[node] > 0 && _tree.Weight[node] >= 2 * _minLeaf && end - start > 1)
            open.Push((node, start, end, depth));
    }

    private TreeSplit? Best(int start, int end, int node)
    {
        var best = default(TreeSplit?);
        var tie = Tie * _tree.Impurity[node];
        var looked = 0;
        _search.Of(_tree, node);
        for (var drawn = 0; drawn < _features.Length && (looked < _growth.Features || best is null); drawn++)
        {
            if (_growth.Features < _features.Length)
            {
                var other = drawn + _draws.Below(_features.Length - drawn);
                (_features[drawn], _features[other]) = (_features[other], _features[drawn]);
            }
            var column = _features[drawn];
            var order = _order[column];
            if (_rows.Columns[column][order[start]] == _rows.Columns[column][order[end - 1]])
                continue;
            looked++;
            best = _search.Best(column, order, start, end, best, tie);
        }
        return best is { } found && (_growth.MinSplitGain == 0 || found.Gain >= _growth.MinSplitGain * _tree.Impurity[0]) ? best : null;
    }

    /// <summary>Marks the rows that go left, and says where the others will begin.</summary>
    private int Mark(TreeSplit split, int start, int end)
    {
        var values = _rows.Columns[split.Column];
        var order = _order[split.Column];
        var middle = start;
        for (var place = start; place < end; place++)
        {
            var row = order[place];
            var left = values[row] <= split.Threshold;
            _goesLeft[row] = left;
            if (left)
                middle++;
        }
        return middle;
    }

    private void Part(int[] order, int start, int end)
    {
        var left = start;
        var right = 0;
        for (var place = start; place < end; place++)
        {
            var row = order[place];
            if (_goesLeft[row])
                order[left++] = row;
            else
                _aside[right++] = row;
        }
        Array.Copy(_aside, 0, order, left, right);
    }
}
