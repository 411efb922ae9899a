using System.Text;
using Moe.Core;
using static TorchSharp.torch;

namespace Moe.Classical;

/// <summary>A small tree that imitates who answers which rows, so that each expert's region can be read as rules.</summary>
/// <remarks>
/// A description of a gate, not the gate: <see cref="Fidelity"/> says how much of it the rules tell. Sibling leaves that name the same expert are one rule. The idea is that
/// of a global surrogate (Craven and Shavlik 1996).
/// </remarks>
public sealed class SurrogateTree
{
    private readonly (double Share, double Recall, double Precision)[] _regions;

    private SurrogateTree(DecisionTree tree, double fidelity, (double Share, double Recall, double Precision)[] regions)
    {
        Tree = tree;
        Fidelity = fidelity;
        _regions = regions;
    }

    /// <summary>A tree of at most 3 splits in a row, with no leaf below 1 % of the weight and no split that takes away less than 1 % of the impurity.</summary>
    public static DecisionTreeOptions DefaultOptions { get; } = new() { MaxDepth = 3, MinLeafShare = 0.01, MinSplitGain = 0.01 };

    /// <summary>The tree: answers rows with the probability of each expert.</summary>
    public DecisionTree Tree { get; }

    /// <summary>The share of the rows (by weight) for which the tree names the expert that was given; 0 to 1.</summary>
    public double Fidelity { get; }

    /// <summary>Describes an assignment of rows to experts.</summary>
    /// <param name="rows">[n, D], finite, n at least 1: columns that the rules may speak of.</param>
    /// <param name="assignment">[n], whole numbers from 0 to <paramref name="experts"/> - 1, any numeric type: the expert of each row, such as the one with the largest gate weight.</param>
    /// <param name="experts">K, at least 1.</param>
    /// <param name="options">How large the tree may be; null for <see cref="DefaultOptions"/>.</param>
    /// <param name="weights">[n], at least 0 with a sum above 0; null for 1 each.</param>
    /// <exception cref="ArgumentException">A number, shape or setting is out of range.</exception>
    public static SurrogateTree Fit(Tensor rows, Tensor assignment, int experts, DecisionTreeOptions? options = null, Tensor? weights = null)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(experts, 1);
        var learner = new DecisionTreeLearner(options ?? DefaultOptions);
        using var scope = NewDisposeScope();

        // There are no classes of one; a second expert that answers nothing is no loss.
        var data = new FitData(rows, Response.Class(assignment, Math.Max(experts, 2)), weights);
        DataGuard.Whole(data.Response.Values, experts - 1, $"an expert of {experts}, numbered from 0", nameof(assignment));
        var laidOut = TreeRows.Of(data, "surrogate");
        var grown = learner.Grow(laidOut, FitContext.Default);
        grown.MergeAlike();
        var tree = new DecisionTree(data.Width, ResponseKind.Class, grown.Freeze(learner.Options.Smoothing, laidOut.WeightUnit, 1));

        var named = HostMemory.Of<double>(tree.forward(data.Inputs));
        var answered = new double[experts];
        var claimed = new double[experts];
        var both = new double[experts];
        var all = 0.0;
        for (var row = 0; row < laidOut.Count; row++)
        {
            var weight = laidOut.Weights[row];
            var (expert, guess) = (laidOut.Labels[row], Largest(named.Slice(laidOut.Origin[row] * data.Response.Classes, experts)));
            all += weight;
            answered[expert] += weight;
            claimed[guess] += weight;
            both[expert] += expert == guess ? weight : 0;
        }
        var regions = new (double, double, double)[experts];
        for (var expert = 0; expert < experts; expert++)
            regions[expert] = (answered[expert] / all, Ratio(both[expert], answered[expert]), Ratio(both[expert], claimed[expert]));
        return new SurrogateTree(tree, Math.Min(both.Sum() / all, 1), regions);
    }

    /// <summary>Each expert's region, in the order of the experts.</summary>
    /// <param name="columns">Names of the columns, for the text; null for x0, x1 …</param>
    /// <exception cref="ArgumentException">There is not one name for each column.</exception>
    public IReadOnlyList<ExpertRegion> Regions(IReadOnlyList<string>? columns = null)
    {
        var rules = Tree.Rules(columns).ToLookup(rule => rule.Answer.ToArray().AsSpan().IndexOf(rule.Answer.Max()));
        return [.. _regions.Select((region, expert) => new ExpertRegion(expert, region.Share, region.Recall, region.Precision, [.. rules[expert]]))];
    }

    /// <summary>A table of the regions: a line for each expert, and one for each of its rules.</summary>
    /// <param name="columns">Names of the columns; null for x0, x1 …</param>
    /// <param name="experts">Names of the experts; null for "expert 0", "expert 1" …</param>
    /// <exception cref="ArgumentException">There is not one name for each column or expert.</exception>
    public string Describe(IReadOnlyList<string>? columns = null, IReadOnlyList<string>? experts = null)
    {
        if (experts is not null && experts.Count != _regions.Length)
            throw new ArgumentException($"Expected {_regions.Length} names of experts, got {experts.Count}.", nameof(experts));
        var text = new StringBuilder();
        foreach (var region in Regions(columns))
        {
            text.Append(FormattableString.Invariant($"{experts?[region.Expert] ?? $"expert {region.Expert}"}: {region.Share:P1} of the rows, {region.Recall:P1} of them by these rules\n"));
            foreach (var rule in region.Rules)
                text.Append(FormattableString.Invariant($"  {rule.Condition} (weight {rule.Weight:G6})\n"));
        }
        return text.Append(FormattableString.Invariant($"The rules name the right expert for {Fidelity:P1} of the rows.\n")).ToString();
    }

    /// <inheritdoc/>
    public override string ToString() => Describe();

    private static int Largest(ReadOnlySpan<double> numbers)
    {
        var largest = 0;
        for (var place = 1; place < numbers.Length; place++)
        {
            if (numbers[place] > numbers[largest])
                largest = place;
        }
        return largest;
    }

    private static double Ratio(double part, double whole) => whole > 0 ? part / whole : 0;
}
