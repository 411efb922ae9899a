namespace Moe.Classical;

/// <summary>Minimises a function of few numbers in a box: BFGS on the numbers that are free to move, with steps cut at the box (Bertsekas 1982).</summary>
internal static class BoxedQuasiNewton
{
    /// <summary>Moves the point, in place, and returns the value there.</summary>
    public static double Minimise(Func<double[], double[], double> function, double[] point, double[] least, double[] most, int steps, CancellationToken cancellation)
    {
        var size = point.Length;
        for (var place = 0; place < size; place++)
            point[place] = Math.Clamp(point[place], least[place], most[place]);
        var (gradient, next, nextGradient) = (new double[size], new double[size], new double[size]);
        var value = function(point, gradient);
        var inverse = Identity(size, gradient);
        for (var step = 0; step < steps && double.IsFinite(value); step++)
        {
            cancellation.ThrowIfCancellationRequested();
            var free = Enumerable.Range(0, size).Where(place => gradient[place] > 0 ? point[place] > least[place] : point[place] < most[place]).ToArray();
            if (free.All(place => Math.Abs(gradient[place]) < 1e-4))
                break;
            var direction = new double[size];
            foreach (var row in free)
                direction[row] = -free.Sum(column => inverse[row][column] * gradient[column]);
            var longest = direction.Max(Math.Abs);
            var length = longest > 2 ? 2 / longest : 1;
            var better = double.NaN;
            for (var attempt = 0; attempt < 12; attempt++, length /= 2.5)
            {
                var fall = 0.0;
                for (var place = 0; place < size; place++)
                {
                    next[place] = Math.Clamp(point[place] + (length * direction[place]), least[place], most[place]);
                    fall += gradient[place] * (next[place] - point[place]);
                }
                better = function(next, nextGradient);
                if (better <= value + (1e-4 * fall) && fall < 0)
                    break;
                better = double.NaN;
            }
            if (double.IsNaN(better))
                break;
            Update(inverse, next.Zip(point, (to, from) => to - from).ToArray(), nextGradient.Zip(gradient, (to, from) => to - from).ToArray());
            var gain = value - better;
            value = better;
            next.CopyTo(point, 0);
            nextGradient.CopyTo(gradient, 0);
            if (gain < 1e-7 * (1 + Math.Abs(value)))
                break;
        }
        return value;
    }

    private static double[][] Identity(int size, double[] gradient)
    {
        // The first step is at most 1 long.
        var scale = 1 / Math.Max(1, gradient.Max(Math.Abs));
        var matrix = new double[size][];
        for (var place = 0; place < size; place++)
        {
            matrix[place] = new double[size];
            matrix[place][place] = double.IsFinite(scale) ? scale : 1;
        }
        return matrix;
    }

    private static void Update(double[][] inverse, double[] move, double[] change)
    {
        var size = move.Length;
        var product = move.Zip(change, (a, b) => a * b).Sum();
        if (!(product > 1e-10))
            return;
        var image = new double[size];
        for (var row = 0; row < size; row++)
        {
            for (var column = 0; column < size; column++)
                image[row] += inverse[row][column] * change[column];
        }
        var curve = change.Zip(image, (a, b) => a * b).Sum();
        for (var row = 0; row < size; row++)
        {
            for (var column = 0; column < size; column++)
                inverse[row][column] += ((1 + (curve / product)) * move[row] * move[column] / product) - (((image[row] * move[column]) + (move[row] * image[column])) / product);
        }
    }
}
