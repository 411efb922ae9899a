namespace Moe.Classical;

/// <summary>The best split of a node's rows by one column, from running sums over its sorted values.</summary>
/// <remarks>
/// Sums are taken around the node's own mean, and the right side's classes are counted anew at each place, so that neither far-off targets nor tiny weights drown in rounding.
/// </remarks>
internal sealed class SplitSearch(TreeRows rows, double[] weights, ClassImpurity impurity, double minLeaf)
{
    private readonly double[] _counts = new double[rows.Classes];
    private readonly double[] _left = new double[rows.Classes];
    private double _weight;
    private double _mean;
    private double _whole;

    /// <summary>Adds the node of some rows to a tree.</summary>
    /// <returns>Its number.</returns>
    public int Enter(int[] order, int start, int end, GrownTree tree)
    {
        var weight = 0.0;
        if (rows.Classes > 0)
        {
            Array.Clear(_counts);
            for (var place = start; place < end; place++)
            {
                var row = order[place];
                weight += weights[row];
                _counts[rows.Labels[row]] += weights[row];
            }
            var pure = Array.FindAll(_counts, count => count > 0).Length <= 1;
            return tree.Add(_counts, weight, pure ? 0 : Mass(weight) - Order(_counts, weight));
        }

        // Around the first row's target: where all are alike, the mean is exactly theirs.
        var first = rows.Targets[order[start]];
        var sum = 0.0;
        for (var place = start; place < end; place++)
        {
            var row = order[place];
            weight += weights[row];
            sum += weights[row] * (rows.Targets[row] - first);
        }
        var mean = first + (sum / weight);
        var spread = 0.0;
        for (var place = start; place < end; place++)
        {
            var row = order[place];
            var apart = rows.Targets[row] - mean;
            spread += weights[row] * apart * apart;
        }
        return tree.Add([mean], weight, spread);
    }

    /// <summary>Which node <see cref="Best"/> is about.</summary>
    public void Of(GrownTree tree, int node)
    {
        _weight = tree.Weight[node];
        var statistics = tree.Statistics(node);
        if (rows.Classes == 0)
        {
            _mean = statistics[0];
            return;
        }
        statistics.CopyTo(_counts);
        _whole = Order(_counts, _weight);
    }

    /// <summary>The best split by a column, if it gains more by <paramref name="tie"/> than the best so far.</summary>
    public TreeSplit? Best(int column, int[] order, int start, int end, TreeSplit? best, double tie) =>
        rows.Classes == 0 ? OfTargets(column, order, start, end, best, tie) : OfClasses(column, order, start, end, best, tie);

    private TreeSplit? OfTargets(int column, int[] order, int start, int end, TreeSplit? best, double tie)
    {
        var values = rows.Columns[column];
        var targets = rows.Targets;
        var bar = best is { } found ? found.Gain + tie : double.NegativeInfinity;
        var left = 0.0;
        var sum = 0.0;
        var next = values[order[start]];
        for (var place = start; place < end - 1; place++)
        {
            var row = order[place];
            left += weights[row];
            sum += weights[row] * (targets[row] - _mean);
            var here = next;
            next = values[order[place + 1]];
            if (here == next || left < minLeaf)
                continue;
            var right = _weight - left;
            if (right < minLeaf)
                break;

            // Deviations from the mean add up to 0: the right side's sum is minus the left's.
            var gain = sum * sum * (1 / left + 1 / right);
            if (gain > bar)
            {
                best = new TreeSplit(column, Between(here, next), gain);
                bar = gain + tie;
            }
        }
        return best;
    }

    private TreeSplit? OfClasses(int column, int[] order, int start, int end, TreeSplit? best, double tie)
    {
        var values = rows.Columns[column];
        var labels = rows.Labels;
        var bar = best is { } found ? found.Gain + tie : double.NegativeInfinity;
        var left = 0.0;
        Array.Clear(_left);
        var next = values[order[start]];
        for (var place = start; place < end - 1; place++)
        {
            var row = order[place];
            left += weights[row];
            _left[labels[row]] += weights[row];
            var here = next;
            next = values[order[place + 1]];
            if (here == next || left < minLeaf)
                continue;
            var right = _weight - left;
            if (right < minLeaf)
                break;
            var gain = OrderOfParts(left, right) - _whole;
            if (gain > bar)
            {
                best = new TreeSplit(column, Between(here, next), gain);
                bar = gain + tie;
            }
        }
        return best;
    }

    /// <summary>Weight × impurity is <see cref="Mass"/> less this.</summary>
    private double Order(double[] counts, double weight)
    {
        var sum = 0.0;
        if (impurity == ClassImpurity.Gini)
        {
            foreach (var count in counts)
                sum += count * count;
            return sum / weight;
        }
        foreach (var count in counts)
            sum += TimesLog(count);
        return sum - TimesLog(weight);
    }

    private double OrderOfParts(double left, double right)
    {
        var sumLeft = 0.0;
        var sumRight = 0.0;
        if (impurity == ClassImpurity.Gini)
        {
            for (var label = 0; label < _left.Length; label++)
            {
                var rest = _counts[label] - _left[label];
                sumLeft += _left[label] * _left[label];
                sumRight += rest * rest;
            }
            return (sumLeft / left) + (sumRight / right);
        }
        for (var label = 0; label < _left.Length; label++)
        {
            sumLeft += TimesLog(_left[label]);
            sumRight += TimesLog(_counts[label] - _left[label]);
        }
        return sumLeft - TimesLog(left) + sumRight - TimesLog(right);
    }

    private double Mass(double weight) => impurity == ClassImpurity.Gini ? weight : 0;

    private static double TimesLog(double value) => value > 0 ? value * Math.Log(value) : 0;

    /// <summary>Midway; the lower one where there is no number between.</summary>
    private static double Between(double low, double high)
    {
        var middle = (low / 2) + (high / 2);
        return middle > low && middle < high ? middle : low;
    }
}
