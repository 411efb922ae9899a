namespace Moe.Classical;

/// <summary>Draws as many rows as there are, with replacement, in proportion to their weights.</summary>
internal sealed class WeightedDraw
{
    private readonly double[] _upTo;

    public WeightedDraw(double[] weights)
    {
        _upTo = new double[weights.Length];
        var sum = 0.0;
        for (var row = 0; row < weights.Length; row++)
            _upTo[row] = sum += weights[row];
    }

    /// <summary>How often each row is drawn.</summary>
    public double[] Next(DrawSequence draws)
    {
        var counts = new double[_upTo.Length];
        for (var drawn = 0; drawn < counts.Length; drawn++)
        {
            // The first row whose sum is above the point.
            var point = draws.Uniform() * _upTo[^1];
            var (low, high) = (0, counts.Length - 1);
            while (low < high)
            {
                var middle = (low + high) / 2;
                if (_upTo[middle] > point)
                    high = middle;
                else
                    low = middle + 1;
            }
            counts[low]++;
        }
        return counts;
    }
}
