namespace Moe.Core;

/// <summary>
/// Assigns tokens to experts with equal numbers of places so that the sum of values is as high as can be, by an auction: a token without a place
/// bids for the expert that is worth most to it after its price, and the lowest bid for that expert gives way (Bertsekas 1992, "Auction algorithms for network
/// flow problems", with places of one expert as similar objects).
/// </summary>
internal static class Auction
{
    /// <summary>The smallest raise, as a share of the range of the values.</summary>
    private const double Raise = 1e-4;

    /// <summary>The expert of each token.</summary>
    /// <param name="values">[T, E + 1], row by row; the last entry of a row is 0 for padding, which gets expert 0.</param>
    /// <param name="tokens">T.</param>
    /// <param name="experts">E.</param>
    public static long[] Assign(double[] values, int tokens, int experts)
    {
        var width = experts + 1;
        var waiting = new Queue<int>(Enumerable.Range(0, tokens).Where(token => values[token * width + experts] != 0));
        var assigned = new long[tokens];

        // What is not finite is refused after the choice; here it only must not keep the auction going for ever.
        var finite = waiting.SelectMany(token => Enumerable.Range(token * width, experts)).Select(index => values[index]).Where(double.IsFinite).ToArray();
        if (finite.Length < waiting.Count * experts || finite.Length == 0)
            return assigned;
        // Not smaller than what changes a value at all: prices would rise without an effect.
        var raise = Math.Max((finite.Max() - finite.Min()) * Raise, 1e-12 * Math.Max(finite.Max(Math.Abs), 1));
        var places = (waiting.Count + experts - 1) / experts;
        var bids = Enumerable.Range(0, experts).Select(_ => new PriorityQueue<int, (double Bid, int Order)>()).ToArray();
        var order = 0;
        while (waiting.TryDequeue(out var token))
        {
            var (best, bestWorth, secondWorth) = (0, double.NegativeInfinity, double.NegativeInfinity);
            for (var expert = 0; expert < experts; expert++)
            {
                var worth = values[token * width + expert] - Price(bids[expert], places);
                if (worth > bestWorth)
                    (best, bestWorth, secondWorth) = (expert, worth, bestWorth);
                else if (worth > secondWorth)
                    secondWorth = worth;
            }

            var price = Price(bids[best], places);
            var bid = price + (experts == 1 ? 0 : bestWorth - secondWorth) + raise;
            if (bids[best].Count == places)
                waiting.Enqueue(bids[best].Dequeue());
            bids[best].Enqueue(token, (bid, order++));
            assigned[token] = best;
        }
        return assigned;
    }

    /// <summary>The lowest bid that has to be topped; 0 while there are free places.</summary>
    private static double Price(PriorityQueue<int, (double Bid, int Order)> bids, int places) =>
        bids.Count == places && bids.TryPeek(out _, out var lowest) ? lowest.Bid : 0;
}
