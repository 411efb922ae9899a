namespace Moe.Classical;

/// <summary>Draws who is responsible for which rows before anything is fitted.</summary>
internal static class StartingShares
{
    /// <summary>The kind of a start.</summary>
    /// <param name="wanted">As the options say.</param>
    /// <param name="turns">The kinds of mixed starts, in turn.</param>
    /// <param name="start">From 0.</param>
    public static StartKind KindOf(StartKind wanted, IReadOnlyList<StartKind> turns, int start) => wanted == StartKind.Mixed ? turns[start % turns.Count] : wanted;

    /// <summary>Shares [n, K], each row's sum 1.</summary>
    /// <param name="kind">Not <see cref="StartKind.Mixed"/>.</param>
    /// <param name="points">Standardised gate columns and response, [n, width] row by row; the last <paramref name="responseWidth"/> columns are the response's.</param>
    /// <param name="width">Columns of the points.</param>
    /// <param name="responseWidth">How many of them are the response's.</param>
    /// <param name="experts">K.</param>
    /// <param name="random">Drawn from.</param>
    public static double[] Draw(StartKind kind, double[] points, int width, int responseWidth, int experts, Random random)
    {
        var rows = points.Length / width;
        if (kind == StartKind.Dirichlet)
            return Dirichlet(rows, experts, random);
        var label = kind switch
        {
            StartKind.Regions => Regions(points, width, width - responseWidth, experts, random),
            StartKind.KMeans => KMeans(Stretched(points, width, random), width, experts, random),
            _ => [.. Enumerable.Range(0, rows).Select(_ => random.Next(experts))],
        };
        var shares = new double[rows * experts];
        for (var row = 0; row < rows; row++)
            shares[(row * experts) + label[row]] = 1;
        return shares;
    }

    private static double[] Dirichlet(int rows, int experts, Random random)
    {
        var shares = new double[rows * experts];
        for (var row = 0; row < rows; row++)
        {
            var sum = 0.0;
            var own = shares.AsSpan(row * experts, experts);
            for (var expert = 0; expert < experts; expert++)
                sum += own[expert] = -Math.Log(1 - random.NextDouble());
            for (var expert = 0; expert < experts; expert++)
                own[expert] /= sum;
        }
        return shares;
    }

    private static int[] Regions(double[] points, int width, int columns, int experts, Random random)
    {
        var rows = points.Length / width;
        var direction = new double[Math.Max(columns, 1)];
        for (var column = 0; column < direction.Length; column++)
            direction[column] = Normal(random);
        var places = new double[rows];
        for (var row = 0; row < rows; row++)
        {
            // Without gate columns the response itself is cut.
            for (var column = 0; column < direction.Length; column++)
                places[row] += direction[column] * points[(row * width) + column];
        }
        var order = Enumerable.Range(0, rows).ToArray();
        Array.Sort((double[])places.Clone(), order);
        var cuts = new double[experts];
        for (var expert = 0; expert < experts; expert++)
            cuts[expert] = 0.5 + random.NextDouble();
        var sum = cuts.Sum();
        var who = Enumerable.Range(0, experts).ToArray();
        random.Shuffle(who);
        var label = new int[rows];
        var (region, end) = (0, cuts[0] / sum * rows);
        for (var rank = 0; rank < rows; rank++)
        {
            while (rank >= end && region < experts - 1)
                end += cuts[++region] / sum * rows;
            label[order[rank]] = who[region];
        }
        return label;
    }

    /// <summary>The points with each column stretched at random, so that starts find other groups and not always the same.</summary>
    private static double[] Stretched(double[] points, int width, Random random)
    {
        var scales = new double[width];
        for (var column = 0; column < width; column++)
            scales[column] = Math.Exp(Normal(random));
        var stretched = new double[points.Length];
        for (var place = 0; place < points.Length; place++)
            stretched[place] = points[place] * scales[place % width];
        return stretched;
    }

    /// <summary>Lloyd's algorithm from centres drawn as k-means++ draws them (Arthur and Vassilvitskii 2007).</summary>
    private static int[] KMeans(double[] points, int width, int experts, Random random)
    {
        var rows = points.Length / width;
        var centres = new double[experts * width];
        var nearest = new double[rows];
        Array.Fill(nearest, double.PositiveInfinity);
        var chosen = random.Next(rows);
        for (var expert = 0; expert < experts; expert++)
        {
            points.AsSpan(chosen * width, width).CopyTo(centres.AsSpan(expert * width));
            var sum = 0.0;
            for (var row = 0; row < rows; row++)
                sum += nearest[row] = Math.Min(nearest[row], Distance(points.AsSpan(row * width, width), centres.AsSpan(expert * width, width)));
            var left = random.NextDouble() * sum;
            for (chosen = 0; chosen < rows - 1 && (left -= nearest[chosen]) >= 0; chosen++)
            {
            }
        }
        var label = new int[rows];
        var counts = new int[experts];
        for (var round = 0; round < 25; round++)
        {
            var moved = round == 0;
            for (var row = 0; row < rows; row++)
            {
                var (best, least) = (0, double.PositiveInfinity);
                for (var expert = 0; expert < experts; expert++)
                {
                    var distance = Distance(points.AsSpan(row * width, width), centres.AsSpan(expert * width, width));
                    if (distance < least)
                        (best, least) = (expert, distance);
                }
                moved |= label[row] != best;
                label[row] = best;
            }
            if (!moved)
                break;
            Array.Clear(counts);
            var sums = new double[centres.Length];
            for (var row = 0; row < rows; row++)
            {
                counts[label[row]]++;
                Products.AddScaled(sums.AsSpan(label[row] * width, width), points.AsSpan(row * width, width), 1);
            }
            for (var place = 0; place < centres.Length; place++)
                centres[place] = counts[place / width] > 0 ? sums[place] / counts[place / width] : centres[place];
        }
        return label;
    }

    private static double Distance(ReadOnlySpan<double> left, ReadOnlySpan<double> right)
    {
        var sum = 0.0;
        for (var column = 0; column < left.Length; column++)
            sum += (left[column] - right[column]) * (left[column] - right[column]);
        return sum;
    }

    private static double Normal(Random random) => Math.Sqrt(-2 * Math.Log(1 - random.NextDouble())) * Math.Cos(2 * Math.PI * random.NextDouble());
}
