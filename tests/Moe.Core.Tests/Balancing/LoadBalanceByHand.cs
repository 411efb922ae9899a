namespace Moe.Core.Tests;

/// <summary>E · Σ fᵢ pᵢ in every convention, token by token and in plain numbers.</summary>
internal static class LoadBalanceByHand
{
    public static double Of(RoutingDecision decision, LoadBalanceOptions options)
    {
        var table = new Table(decision, options);
        var length = options.Scope == TokenScope.Batch ? decision.TokenCount : decision.SequenceLength;
        var losses = new List<double>();
        for (var start = 0L; start < decision.TokenCount; start += length)
        {
            var tokens = Enumerable.Range((int)start, (int)length).Where(table.IsReal).ToArray();
            if (tokens.Length > 0)
                losses.Add(Group(table, tokens, options));
        }
        return losses.Count == 0 ? 0 : losses.Average();
    }

    private static double Group(Table table, int[] tokens, LoadBalanceOptions options)
    {
        var counts = new double[table.Experts];
        foreach (var expert in tokens.SelectMany(token => Counted(table, token, options.Counted)))
            counts[expert]++;
        var divisor = options.TimesTopK || options.Counted == CountedChoices.FirstKept ? tokens.Length : counts.Sum();
        var averaged = options.Counted == CountedChoices.Kept ? counts.Sum() / table.Choices : tokens.Length;
        return divisor == 0 ? 0 : table.Experts * Enumerable.Range(0, table.Experts)
            .Sum(expert => counts[expert] / divisor * tokens.Sum(token => table.Score(token, expert)) / averaged);
    }

    /// <summary>The experts of a token that are counted.</summary>
    private static IEnumerable<int> Counted(Table table, int token, CountedChoices counted)
    {
        var places = Enumerable.Range(0, table.Choices).Where(place => table.IsChosen(token, place)).ToArray();
        switch (counted)
        {
            case CountedChoices.Assigned:
                return places.Select(place => table.Expert(token, place));
            case CountedChoices.Kept:
                return places.Where(place => table.IsKept(token, place)).Select(place => table.Expert(token, place));
            case CountedChoices.TopScores:
                return Enumerable.Range(0, table.Experts).OrderByDescending(expert => table.Score(token, expert)).Take(table.Choices);
            default:
                var ordered = table.IsInOrder ? places : [.. places.OrderByDescending(place => table.Score(token, table.Expert(token, place)))];
                return ordered.Take(1).Where(place => counted == CountedChoices.First || table.IsKept(token, place)).Select(place => table.Expert(token, place));
        }
    }

    /// <summary>The decision as arrays.</summary>
    private sealed class Table(RoutingDecision decision, LoadBalanceOptions options)
    {
        private readonly double[] _logits = Compare.Doubles(decision.Logits);
        private readonly double[] _scores = Compare.Doubles(decision.Scores);
        private readonly long[] _indices = Compare.Longs(decision.Indices);
        private readonly bool[] _kept = Compare.Bools(decision.Kept);
        private readonly bool[]? _chosen = decision.Chosen is null ? null : Compare.Bools(decision.Chosen);
        private readonly bool[]? _mask = decision.Mask is null ? null : Compare.Bools(decision.Mask);

        public int Experts => decision.ExpertCount;

        public int Choices => decision.TopK;

        public bool IsInOrder => _chosen is null && Choices < Experts;

        public bool IsReal(int token) => _mask?[token] ?? true;

        public int Expert(int token, int place) => (int)_indices[token * Choices + place];

        public bool IsChosen(int token, int place) => _chosen?[token * Choices + place] ?? true;

        public bool IsKept(int token, int place) => _kept[token * Choices + place];

        public double Score(int token, int expert)
        {
            var row = (options.CleanScores ? _logits.Select(Math.Exp) : _scores).Skip(token * Experts).Take(Experts).ToArray();
            return options.CleanScores || !decision.ScoresSumToOne ? row[expert] / (row.Sum() + 1e-20) : row[expert];
        }
    }
}
