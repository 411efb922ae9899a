using System.Runtime.InteropServices;

namespace Moe.Classical;

/// <summary>A tree as it grows: every node with the sums that pruning needs. Children have higher numbers than their parent, and stand side by side.</summary>
internal sealed class GrownTree(int classes)
{
    private readonly int _width = Math.Max(classes, 1);
    private readonly List<double> _statistics = [];
    private readonly List<int> _column = [];
    private readonly List<double> _threshold = [];
    private readonly List<int> _child = [];

    public List<double> Weight { get; } = [];

    /// <summary>Weight × impurity.</summary>
    public List<double> Impurity { get; } = [];

    /// <summary>The mean, or each class's weight.</summary>
    public ReadOnlySpan<double> Statistics(int node) => CollectionsMarshal.AsSpan(_statistics).Slice(node * _width, _width);

    /// <summary>Adds a leaf.</summary>
    /// <returns>Its number.</returns>
    public int Add(ReadOnlySpan<double> statistics, double weight, double impurity)
    {
        foreach (var number in statistics)
            _statistics.Add(number);
        Weight.Add(weight);
        Impurity.Add(impurity);
        _column.Add(-1);
        _threshold.Add(0);
        _child.Add(-1);
        return Weight.Count - 1;
    }

    /// <summary>Makes a leaf a split; the next two nodes added are its children.</summary>
    public void Split(int node, TreeSplit split)
    {
        _column[node] = split.Column;
        _threshold[node] = split.Threshold;
        _child[node] = Weight.Count;
    }

    /// <summary>Cuts back to the smallest tree that minimises impurity / the root's + penalty × leaves, from the leaves up.</summary>
    public void Prune(double penalty)
    {
        if (penalty == 0 || !(Impurity[0] > 0))
            return;
        var cost = new double[Weight.Count];
        for (var node = cost.Length - 1; node >= 0; node--)
        {
            var asLeaf = (Impurity[node] / Impurity[0]) + penalty;
            cost[node] = asLeaf;
            if (_column[node] < 0)
                continue;
            var asSplit = cost[_child[node]] + cost[_child[node] + 1];
            if (asSplit < asLeaf - 1e-12)
                cost[node] = asSplit;
            else
                _column[node] = -1;
        }
    }

    /// <summary>Makes one leaf of siblings that give the most weight to the same class, from the leaves up: fewer leaves, the same decisions.</summary>
    public void MergeAlike()
    {
        for (var node = Weight.Count - 1; node >= 0; node--)
        {
            if (_column[node] >= 0 && _column[_child[node]] < 0 && _column[_child[node] + 1] < 0 && Heaviest(_child[node]) == Heaviest(_child[node] + 1))
                _column[node] = -1;
        }
    }

    /// <summary>The tree without what was cut off and without sums.</summary>
    /// <param name="smoothing">Weight of rows spread evenly over the classes, in each leaf.</param>
    /// <param name="weightUnit">What weights are multiplied by.</param>
    /// <param name="targetUnit">What means are multiplied by.</param>
    public TreeNodes Freeze(double smoothing, double weightUnit, double targetUnit)
    {
        var column = new List<int> { 0 };
        var threshold = new List<double> { 0 };
        var child = new List<int> { 0 };
        var values = new List<double>();
        var weights = new List<double>();
        var open = new Stack<(int From, int To)>();
        open.Push((0, 0));
        while (open.TryPop(out var at))
        {
            column[at.To] = _column[at.From];
            if (_column[at.From] >= 0)
            {
                threshold[at.To] = _threshold[at.From];
                child[at.To] = column.Count;
                open.Push((_child[at.From] + 1, column.Count + 1));
                open.Push((_child[at.From], column.Count));
                for (var added = 0; added < 2; added++)
                {
                    column.Add(-1);
                    threshold.Add(0);
                    child.Add(0);
                }
                continue;
            }
            child[at.To] = weights.Count;
            weights.Add(Weight[at.From] * weightUnit);
            foreach (var number in Statistics(at.From))
                values.Add(classes == 0 ? number * targetUnit : (number + (smoothing / classes)) / (Weight[at.From] + smoothing));
        }
        return new TreeNodes(_width, [.. column], [.. threshold], [.. child], [.. values], [.. weights]);
    }

    private int Heaviest(int node)
    {
        var counts = Statistics(node);
        var heaviest = 0;
        for (var label = 1; label < counts.Length; label++)
        {
            if (counts[label] > counts[heaviest])
                heaviest = label;
        }
        return heaviest;
    }
}
