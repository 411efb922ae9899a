namespace Moe.Core;

/// <summary>
/// Assigns tokens to experts with equal numbers of places so that the sum of values is as high as can be. Tokens come one after the other, and each takes the
/// cheapest chain of moves that ends at a free place: successive shortest paths with prices (Edmonds and Karp 1972, section 1.3).
/// </summary>
/// <remarks>
/// Exact, up to the rounding of sums, in O(T · E²) whatever the values. Prices are such that each assigned token is where value less price is largest; so
/// no move gains anything, which is what Dijkstra's algorithm needs.
/// </remarks>
internal sealed class BalancedAssignment
{
    private readonly double[] _values;
    private readonly int _experts;
    private readonly int _places;
    private readonly long[] _assigned;
    private readonly List<int>[] _members;
    private readonly double[] _prices;

    /// <summary>For each pair of experts [e, f], the token of e that loses least by moving to f, and what it loses.</summary>
    private readonly int[] _mover;
    private readonly double[] _loss;

    private BalancedAssignment(double[] values, int tokens, int experts, int places)
    {
        _values = values;
        _experts = experts;
        _places = places;
        _assigned = new long[tokens];
        _members = [.. Enumerable.Range(0, experts).Select(_ => new List<int>(places))];
        _prices = new double[experts];
        _mover = new int[experts * experts];
        _loss = [.. Enumerable.Repeat(double.PositiveInfinity, experts * experts)];
    }

    /// <summary>The expert of each token.</summary>
    /// <param name="values">[T, E + 1], row by row; the last entry of a row is 0 for padding, which gets expert 0.</param>
    /// <param name="tokens">T.</param>
    /// <param name="experts">E.</param>
    public static long[] Solve(double[] values, int tokens, int experts)
    {
        var real = Enumerable.Range(0, tokens).Where(token => values[token * (experts + 1) + experts] != 0).ToArray();
        var assignment = new BalancedAssignment(values, tokens, experts, (real.Length + experts - 1) / experts);

        // What is not finite is refused after the choice; there is no best assignment of it.
        if (values.All(double.IsFinite))
        {
            foreach (var token in real)
                assignment.Place(token);
        }
        return assignment._assigned;
    }

    private double Value(int token, int expert) => _values[token * (_experts + 1) + expert];

    private void Place(int token)
    {
        // How much worse than the best it is for all together if one more token comes to an expert, and which expert has to make room for that.
        var distance = new double[_experts];
        var from = new int[_experts];
        var best = Enumerable.Range(0, _experts).Max(expert => Value(token, expert) - _prices[expert]);
        for (var expert = 0; expert < _experts; expert++)
            (distance[expert], from[expert]) = (best - (Value(token, expert) - _prices[expert]), -1);

        var settled = new bool[_experts];
        var end = Nearest(distance, settled);
        for (; _members[end].Count == _places; end = Nearest(distance, settled))
        {
            settled[end] = true;
            for (var next = 0; next < _experts; next++)
            {
                var through = distance[end] + _loss[end * _experts + next] - _prices[end] + _prices[next];
                if (!settled[next] && through < distance[next])
                    (distance[next], from[next]) = (through, end);
            }
        }
        for (var expert = 0; expert < _experts; expert++)
            _prices[expert] += settled[expert] ? distance[end] - distance[expert] : 0;

        for (; from[end] >= 0; end = from[end])
        {
            var mover = _mover[from[end] * _experts + end];
            Leave(mover, from[end]);
            Join(mover, end);
        }
        Join(token, end);
    }

    private static int Nearest(double[] distance, bool[] settled)
    {
        var nearest = -1;
        for (var expert = 0; expert < distance.Length; expert++)
        {
            if (!settled[expert] && (nearest < 0 || distance[expert] < distance[nearest]))
                nearest = expert;
        }
        return nearest;
    }

    private void Join(int token, int expert)
    {
        _assigned[token] = expert;
        _members[expert].Add(token);
        for (var other = 0; other < _experts; other++)
            Consider(token, expert, other);
    }

    private void Leave(int token, int expert)
    {
        _members[expert].Remove(token);
        for (var other = 0; other < _experts; other++)
        {
            if (_mover[expert * _experts + other] != token)
                continue;
            _loss[expert * _experts + other] = double.PositiveInfinity;
            foreach (var member in _members[expert])
                Consider(member, expert, other);
        }
    }

    /// <summary>Whether <paramref name="token"/> would lose less than any other of <paramref name="expert"/> by moving to <paramref name="other"/>.</summary>
    private void Consider(int token, int expert, int other)
    {
        var (loss, pair) = (Value(token, expert) - Value(token, other), expert * _experts + other);
        if (loss < _loss[pair])
            (_loss[pair], _mover[pair]) = (loss, token);
    }
}
