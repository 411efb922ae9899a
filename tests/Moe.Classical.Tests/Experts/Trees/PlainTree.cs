namespace Moe.Classical.Tests;

/// <summary>A decision tree as in a textbook: every split of every column is tried, and its two impurities are summed from scratch.</summary>
internal sealed class PlainTree
{
    private readonly PlainTree? _low;
    private readonly PlainTree? _high;
    private readonly int _column;
    private readonly double _threshold;
    private readonly double[] _answer;

    public PlainTree(double[][] inputs, double[] response, double[] weights, int classes, ClassImpurity impurity, double minLeaf, int depth)
    {
        var whole = Impurity(response, weights, classes, impurity, out _answer);
        if (depth == 0 || whole <= 1e-12)
            return;
        var best = double.NegativeInfinity;
        for (var column = 0; column < inputs[0].Length; column++)
        {
            var values = inputs.Select(row => row[column]).Distinct().Order().ToArray();
            for (var place = 0; place + 1 < values.Length; place++)
            {
                var threshold = (values[place] + values[place + 1]) / 2;
                var low = Half(inputs, column, threshold, true);
                var high = Half(inputs, column, threshold, false);
                if (low.Sum(row => weights[row]) < minLeaf - 1e-9 || high.Sum(row => weights[row]) < minLeaf - 1e-9)
                    continue;
                var gain = whole
                    - Impurity(At(response, low), At(weights, low), classes, impurity, out _)
                    - Impurity(At(response, high), At(weights, high), classes, impurity, out _);
                if (gain > best + (1e-10 * whole))
                    (best, _column, _threshold) = (gain, column, threshold);
            }
        }
        if (double.IsNegativeInfinity(best))
            return;
        PlainTree Child(bool isLow)
        {
            var rows = Half(inputs, _column, _threshold, isLow);
            return new PlainTree(At(inputs, rows), At(response, rows), At(weights, rows), classes, impurity, minLeaf, depth - 1);
        }
        (_low, _high) = (Child(true), Child(false));
    }

    public double[] Answer(double[] row) => _low is null ? _answer : row[_column] <= _threshold ? _low.Answer(row) : _high!.Answer(row);

    /// <summary>Weight × impurity, by definition; the answer is the mean, or the plain shares.</summary>
    private static double Impurity(double[] response, double[] weights, int classes, ClassImpurity impurity, out double[] answer)
    {
        var weight = weights.Sum();
        if (classes == 0)
        {
            var mean = response.Zip(weights, (value, w) => w * value).Sum() / weight;
            answer = [mean];
            return response.Zip(weights, (value, w) => w * (value - mean) * (value - mean)).Sum();
        }
        var shares = Enumerable.Range(0, classes).Select(label => response.Zip(weights, (value, w) => value == label ? w : 0).Sum() / weight).ToArray();
        answer = shares;
        return weight * (impurity == ClassImpurity.Gini ? 1 - shares.Sum(share => share * share) : -shares.Sum(share => share > 0 ? share * Math.Log(share) : 0));
    }

    private static int[] Half(double[][] inputs, int column, double threshold, bool low) =>
        [.. Enumerable.Range(0, inputs.Length).Where(row => (inputs[row][column] <= threshold) == low)];

    private static T[] At<T>(T[] values, int[] rows) => [.. rows.Select(row => values[row])];
}
