using Moe.Core;
using static TorchSharp.torch;

namespace Moe.Testing;

/// <summary>A decision read into plain numbers, to be looked at row by row and compared.</summary>
internal sealed class DecisionInNumbers
{
    private DecisionInNumbers(RoutingDecision decision)
    {
        Decision = decision;
        (Tokens, Choices, Experts) = ((int)decision.Indices.size(0), (int)decision.Indices.size(1), decision.ExpertCount);
        Indices = [.. HostValues.Of(decision.Indices).Select(index => (long)index)];
        Weights = HostValues.Of(decision.Weights);
        Kept = [.. HostValues.Of(decision.Kept).Select(kept => kept != 0)];
        Chosen = decision.Chosen is { } chosen ? [.. HostValues.Of(chosen).Select(meant => meant != 0)] : [.. Enumerable.Repeat(true, Tokens * Choices)];
        Real = decision.Mask is { } mask ? [.. HostValues.Of(mask).Select(real => real != 0)] : [.. Enumerable.Repeat(true, Tokens)];
        Scores = HostValues.Of(decision.Scores);
        Logits = HostValues.Of(decision.PerturbedLogits);
        Load = [.. decision.Load];
        Assigned = [.. decision.Assigned];
    }

    /// <summary>What was read.</summary>
    public RoutingDecision Decision { get; }

    public int Tokens { get; }

    public int Choices { get; }

    public int Experts { get; }

    public long[] Indices { get; }

    public double[] Weights { get; }

    public bool[] Kept { get; }

    public bool[] Chosen { get; }

    public bool[] Real { get; }

    public double[] Scores { get; }

    public double[] Logits { get; }

    public long[] Load { get; }

    public long[] Assigned { get; }

    public static DecisionInNumbers From(RoutingDecision decision)
    {
        using var scope = NewDisposeScope();
        return new DecisionInNumbers(decision);
    }

    /// <summary>What is different in the other decision, in words; null if nothing is.</summary>
    /// <param name="other">Another decision about the same tokens.</param>
    /// <param name="tolerance">0 asks for the same bits; otherwise relative to the larger of the number and 1.</param>
    public string? Difference(DecisionInNumbers other, double tolerance = 0)
    {
        if ((Tokens, Choices, Experts) != (other.Tokens, other.Choices, other.Experts))
            return $"T, K, E are {other.Tokens}, {other.Choices}, {other.Experts} instead of {Tokens}, {Choices}, {Experts}";
        return Enumerable.Range(0, Tokens).Select(token => DifferenceAt(token, other, token, tolerance)).FirstOrDefault(difference => difference is not null)
            ?? (Load.SequenceEqual(other.Load) ? null : $"the load is {List(other.Load)} instead of {List(Load)}");
    }

    /// <summary>What is different for one token that is <paramref name="otherToken"/> in the other decision; null if nothing is.</summary>
    public string? DifferenceAt(int token, DecisionInNumbers other, int otherToken, double tolerance = 0)
    {
        for (var choice = 0; choice < Choices; choice++)
        {
            var (here, there) = (token * Choices + choice, otherToken * Choices + choice);
            if (Chosen[here] != other.Chosen[there] || (Chosen[here] && Indices[here] != other.Indices[there]))
                return $"choice {choice} of token {token} is {other.Choice(there)} instead of {Choice(here)}";
            if (Kept[here] != other.Kept[there])
                return $"choice {choice} of token {token} is {(Kept[here] ? "no longer" : "now")} kept";
            if (!Same(Weights[here], other.Weights[there], tolerance))
                return $"weight {choice} of token {token} is {other.Weights[there]} instead of {Weights[here]}";
        }
        for (var expert = 0; expert < Experts; expert++)
        {
            var (here, there) = (token * Experts + expert, otherToken * Experts + expert);
            if (!Same(Scores[here], other.Scores[there], tolerance))
                return $"the score of expert {expert} for token {token} is {other.Scores[there]} instead of {Scores[here]}";
        }
        return null;
    }

    /// <summary>Whether two numbers agree; NaN agrees with nothing.</summary>
    public static bool Same(double left, double right, double tolerance) =>
        left == right || Math.Abs(left - right) <= tolerance * Math.Max(1, Math.Max(Math.Abs(left), Math.Abs(right)));

    public static string List(IEnumerable<long> numbers) => $"[{string.Join(", ", numbers)}]";

    private string Choice(int at) => Chosen[at] ? $"expert {Indices[at]}" : "none";
}
