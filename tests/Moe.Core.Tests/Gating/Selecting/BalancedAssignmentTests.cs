using CsCheck;
using static TorchSharp.torch;

namespace Moe.Core.Tests;

/// <summary>The best assignment under equal numbers of places (BASE layers, Lewis et al. 2021).</summary>
public sealed class BalancedAssignmentTests
{
    private sealed record Case(double[][] Values, bool[] Real);

    /// <summary>Small numbers of few kinds, so that ties abound, and numbers of every size.</summary>
    private static readonly Gen<Case> Cases =
        from tokens in Gen.Int[1, 7]
        from experts in Gen.Int[1, 4]
        from kind in Gen.Int[0, 2]
        from values in (kind == 0 ? Gen.Int[-1, 1].Select(i => (double)i) : kind == 1 ? Gen.Double[-1, 1] : Gen.Double[-1e6, 1e6]).Array[experts].Array[tokens]
        from real in Gen.Bool.Array[tokens]
        from masked in Gen.Bool
        select new Case(values, masked ? real : [.. real.Select(_ => true)]);

    [Fact]
    public void In_evaluation_the_best_logit_is_chosen_where_scores_round_to_the_same()
    {
        using var scope = NewDisposeScope();
        using var gate = Direct.Gate(PublishedGates.Base(2, 2), ScalarType.Float32);
        gate.eval();

        // σ(30) and σ(40) are both 1 in Float32.
        using var decision = gate.Route(tensor(new float[] { 30, 40, 40, 30 }).reshape(2, 2));

        Compare.Longs(decision.Indices).Should().Equal(1, 0);
    }

    [Fact]
    public void No_assignment_with_the_same_places_is_worth_more()
    {
        Cases.Sample(
            c =>
            {
                var experts = c.Values[0].Length;
                var assigned = Solve(c);
                var real = Enumerable.Range(0, c.Real.Length).Where(t => c.Real[t]).ToArray();
                var places = (real.Length + experts - 1) / experts;

                real.CountBy(t => assigned[t]).Should().NotContain(group => group.Value > places);
                var best = Best(c, real, 0, [.. Enumerable.Repeat(places, experts)]);
                real.Sum(t => c.Values[t][assigned[t]]).Should().BeApproximately(best, 1e-12 * Math.Max(1, Math.Abs(best)));
            },
            iter: 400, threads: 1);
    }

    [Theory]
    [InlineData(512, 8, 1.0)]
    [InlineData(509, 8, 0.05)]
    [InlineData(4096, 64, 0.1)]
    public void No_chain_of_moves_gains_anything_in_a_large_assignment(int tokens, int experts, double spread)
    {
        using var scope = NewDisposeScope();
        // All like the same experts; how much they differ is the spread.
        var values = Direct.Rows(Make.Normal(1, tokens, experts) * spread + arange(experts) * 0.1);
        var assigned = Solve(new Case(values, [.. Enumerable.Repeat(true, tokens)]));

        var places = (tokens + experts - 1) / experts;
        var load = assigned.CountBy(e => e).ToDictionary(pair => (int)pair.Key, pair => pair.Value);
        load.Values.Max().Should().BeLessThanOrEqualTo(places);

        // The longest way from expert to expert, by the most that a token gains; no way gains that comes back, or ends at a free place.
        var gain = Enumerable.Range(0, experts).Select(e => Enumerable.Range(0, experts).Select(f => e == f ? 0 : double.NegativeInfinity).ToArray()).ToArray();
        for (var t = 0; t < tokens; t++)
        {
            for (var f = 0; f < experts; f++)
                gain[assigned[t]][f] = Math.Max(gain[assigned[t]][f], values[t][f] - values[t][assigned[t]]);
        }
        for (var via = 0; via < experts; via++)
        {
            for (var e = 0; e < experts; e++)
            {
                for (var f = 0; f < experts; f++)
                    gain[e][f] = Math.Max(gain[e][f], gain[e][via] + gain[via][f]);
            }
        }
        for (var e = 0; e < experts; e++)
        {
            gain[e][e].Should().BeLessThan(1e-12);
            for (var f = 0; f < experts; f++)
                (load.GetValueOrDefault(f) == places ? 0 : gain[e][f]).Should().BeLessThan(1e-12);
        }
    }

    [Theory]
    [InlineData(0)]
    [InlineData(2)]
    [InlineData(1e12)]
    [InlineData(-1e300)]
    public void Equal_values_of_any_size_are_shared_out_evenly(double value)
    {
        var assigned = Solve(new Case([.. Enumerable.Repeat(new[] { value, value, value }, 9)], [.. Enumerable.Repeat(true, 9)]));

        assigned.CountBy(e => e).Select(pair => pair.Value).Should().Equal(3, 3, 3);
    }

    [Fact]
    public void A_layer_is_balanced_while_training_and_takes_the_best_in_evaluation_mode()
    {
        using var scope = NewDisposeScope();
        using var gate = Direct.Gate(PublishedGates.Base(4, 4));
        var z = Make.Normal(1, 22, 4) + arange(4) * 2;

        using var training = gate.Route(z);
        training.Load.Max().Should().BeLessThanOrEqualTo(6);
        training.Load.Sum().Should().Be(22);
        Compare.Close(training.Weights, z.sigmoid().gather(1, training.Indices), 1e-15);
        gate.IsCausal.Should().BeFalse();
        gate.eval();
        Compare.SameBits(gate.Route(z).Indices, z.argmax(1, keepdim: true));
    }

    [Fact]
    public void Padding_takes_no_place()
    {
        using var scope = NewDisposeScope();
        using var gate = Direct.Gate(PublishedGates.Base(2, 2));
        using var decision = gate.Route(tensor(new double[] { 9, 0, 9, 0, 3, 0, 1, 0 }).reshape(4, 2), Make.Mask(0, 0, 1, 1));

        Direct.Sent(decision).Should().BeEquivalentTo(new int[][] { [], [], [0], [1] }, options => options.WithStrictOrdering());
    }

    [Fact]
    public void Logits_that_are_not_finite_are_refused_like_everywhere()
    {
        using var scope = NewDisposeScope();
        using var gate = Direct.Gate(PublishedGates.Base(2, 2));

        gate.Invoking(g => g.Route(tensor(new[] { 1, double.NaN, 0, 1 }).reshape(2, 2))).Should().Throw<NonFiniteRoutingException>();
        gate.Invoking(g => g.Route(tensor(new[] { 1, double.PositiveInfinity, 0, 1 }).reshape(2, 2))).Should().Throw<NonFiniteRoutingException>();
    }

    private static long[] Solve(Case c) => BalancedAssignment.Solve(
        [.. c.Values.Zip(c.Real, (row, real) => row.Append(real ? 1 : 0)).SelectMany(row => row)], c.Values.Length, c.Values[0].Length);

    private static double Best(Case c, int[] real, int next, int[] places)
    {
        if (next == real.Length)
            return 0;
        var best = double.NegativeInfinity;
        for (var e = 0; e < places.Length; e++)
        {
            if (places[e] == 0)
                continue;
            places[e]--;
            best = Math.Max(best, c.Values[real[next]][e] + Best(c, real, next + 1, places));
            places[e]++;
        }
        return best;
    }
}
