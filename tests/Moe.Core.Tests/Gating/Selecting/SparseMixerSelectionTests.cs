using static TorchSharp.torch;

namespace Moe.Core.Tests;

/// <summary>SparseMixer (Liu et al. 2023) as in PhiMoE, by hand.</summary>
public sealed class SparseMixerSelectionTests
{
    private const double Jitter = 0.2;

    private static readonly GatingOptions Options = Direct.Options(5, 2) with { Selection = new SparseMixerSelection { Jitter = Jitter } };

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void In_evaluation_mode_the_best_is_taken_twice_with_its_probability_among_those_close_to_it(int seed)
    {
        using var scope = NewDisposeScope();
        using var gate = Direct.Gate(Options);
        gate.eval();
        var z = Make.Normal(seed, 40, 5);
        using var decision = gate.Route(z);

        var (indices, weights) = (Compare.Longs(decision.Indices), Compare.Doubles(decision.Weights));
        foreach (var (row, t) in Direct.Rows(z).Select((row, t) => (row, t)))
        {
            var taken = new List<int>();
            for (var k = 0; k < 2; k++)
            {
                var p = Probabilities(row, taken);
                var best = Enumerable.Range(0, 5).MaxBy(e => p[e]);
                indices[2 * t + k].Should().Be(best);
                weights[2 * t + k].Should().BeApproximately(p[best], 1e-14);
                taken.Add(best);
            }
        }
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void While_training_weights_and_gradients_are_those_of_the_formulas(int seed)
    {
        using var scope = NewDisposeScope();
        using var gate = Direct.Gate(Options);
        var gumbel = new[] { Make.Normal(seed + 10, 40, 5), Make.Normal(seed + 20, 40, 5) };
        var uniform = new[] { Make.Normal(seed + 30, 40, 1).sigmoid(), Make.Normal(seed + 40, 40, 1).sigmoid() };
        Record(gate, gumbel, uniform);
        var z = Make.Normal(seed, 40, 5);
        using var decision = gate.Route(z);
        Record(gate, gumbel, uniform);
        var gradient = Direct.Rows(Make.Gradients(gate, z, input => gate.Route(input).Weights)["input"]);

        var (indices, weights, r) = (Compare.Longs(decision.Indices), Compare.Doubles(decision.Weights), Direct.Rows(Make.Normal(99, 40, 2)));
        var thirds = 0;
        foreach (var (row, t) in Direct.Rows(z).Select((row, t) => (row, t)))
        {
            var (taken, slope) = (new List<int>(), new double[5]);
            for (var k = 0; k < 2; k++)
            {
                var (p, g, u) = (Probabilities(row, taken), Direct.Rows(gumbel[k])[t], Compare.Doubles(uniform[k])[t]);
                var drawn = Enumerable.Range(0, 5).Where(e => p[e] > 0).MaxBy(e => row[e] + g[e]);
                var full = p[drawn] == p.Max() || u > 0.75;
                thirds += full ? 0 : 1;

                indices[2 * t + k].Should().Be(drawn);
                weights[2 * t + k].Should().BeApproximately(full ? p[drawn] : p[drawn] / 3, 1e-14);
                for (var e = 0; e < 5; e++)
                    slope[e] += r[t][k] * p[drawn] * ((e == drawn ? 1 : 0) - p[e]);
                taken.Add(drawn);
            }
            gradient[t].Zip(slope).Should().AllSatisfy(pair => pair.First.Should().BeApproximately(pair.Second, 1e-14));
        }
        thirds.Should().BePositive();
    }

    [Fact]
    public void Experts_are_drawn_with_their_probabilities_and_others_than_the_best_count_a_third_in_three_cases_of_four()
    {
        const int Draws = 20000;
        using var scope = NewDisposeScope();
        using var gate = Direct.Gate(Options);
        using var generator = new Generator(5);
        gate.Generator = generator;
        double[] z = [1.0, 0.8, 0.7, 0.75, -2];
        using var decision = gate.Route(Direct.Repeated(Draws, z));

        var p = Probabilities(z, []);
        p[4].Should().Be(0);
        var pairs = Compare.Longs(decision.Indices).Chunk(2).ToArray();
        for (var e = 0; e < 5; e++)
            Frequent(pairs.Count(pair => pair[0] == e), Draws, p[e]);
        foreach (var group in pairs.GroupBy(pair => pair[0]))
        {
            var second = Probabilities(z, [(int)group.Key]);
            for (var e = 0; e < 5; e++)
                Frequent(group.Count(pair => pair[1] == e), group.Count(), second[e]);
        }

        var others = pairs.Zip(Compare.Doubles(decision.Weights).Chunk(2)).Where(pair => pair.First[0] != 0)
            .Select(pair => pair.Second[0] / p[pair.First[0]]).ToArray();
        others.Should().OnlyContain(share => Math.Abs(share - 1) < 1e-12 || Math.Abs(share - 1.0 / 3) < 1e-12);
        Frequent(others.Count(share => share < 0.5), others.Length, 0.75);
    }

    [Fact]
    public void K_equal_to_E_takes_every_expert_once()
    {
        using var scope = NewDisposeScope();
        using var gate = Direct.Gate(Options with { TopK = 5 });
        using var decision = gate.Route(Make.Normal(3, 30, 5));

        Compare.Longs(decision.Indices).Chunk(5).Should().OnlyContain(row => row.Distinct().Count() == 5);
        Compare.Doubles(decision.Weights).Should().OnlyContain(weight => weight > 0 && weight <= 1);
    }

    /// <summary>The softmax over those of the remaining experts that are close to the best of them.</summary>
    private static double[] Probabilities(double[] z, List<int> taken)
    {
        var remaining = Enumerable.Range(0, z.Length).Except(taken).ToArray();
        var best = remaining.Max(e => z[e]);
        var close = remaining.Where(e => (best - z[e]) / Math.Max(Math.Abs(z[e]), best) <= 2 * Jitter).ToArray();
        return [.. Enumerable.Range(0, z.Length).Select(e => close.Contains(e) ? Math.Exp(z[e]) / close.Sum(other => Math.Exp(z[other])) : 0)];
    }

    private static void Record(GatingNetwork gate, Tensor[] gumbel, Tensor[] uniform)
    {
        var (gumbels, uniforms) = (new Queue<Tensor>(gumbel), new Queue<Tensor>(uniform));
        gate.Draws.Recorded = (kind, _) => kind == "gumbel" ? gumbels.Dequeue().clone() : uniforms.Dequeue().clone();
    }

    private static void Frequent(int count, int draws, double p) =>
        ((double)count / draws).Should().BeApproximately(p, 4 * Math.Sqrt(p * (1 - p) / draws));
}
