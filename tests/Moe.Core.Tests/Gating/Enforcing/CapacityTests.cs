using CsCheck;
using static TorchSharp.torch;

namespace Moe.Core.Tests;

/// <summary>Capacity against a loop that a reader can follow.</summary>
public sealed class CapacityTests
{
    private static RoutingDecision Decide(Case c)
    {
        using var gate = Make.Gate(Make.Options(c.Experts, c.TopK) with { Capacity = new() { Factor = c.Factor } }, c.Seed);
        using var mask = c.Real is null ? null : tensor(c.Real);
        return gate.Route(Make.Normal(c.Seed, c.Tokens, 4), mask);
    }

    private sealed record Case(int Tokens, int Experts, int TopK, double Factor, bool[]? Real, int Seed);

    private static readonly double[] Factors = [0.05, 0.3, 0.5, 1.0, 1.1, 1.25, 2.0, 100.0];

    private static readonly Gen<Case> Cases =
        from tokens in Gen.Int[1, 14]
        from experts in Gen.Int[1, 7]
        from topK in Gen.Int[1, experts]
        from factor in Gen.Int[0, Factors.Length - 1].Select(index => Factors[index])
        from masked in Gen.Bool
        from real in Gen.Bool.Array[tokens]
        from seed in Gen.Int[1, 1000]
        select new Case(tokens, experts, topK, factor, masked ? real : null, seed);

    [Fact]
    public void The_first_choices_in_token_order_are_kept_then_the_second_ones()
    {
        Cases.Sample(
            c =>
            {
                using var scope = NewDisposeScope();
                using var decision = Decide(c);

                var (kept, assigned) = Keep(Compare.Longs(decision.Indices), Compare.Doubles(decision.Scores), c);

                Compare.Bools(decision.Kept).Should().Equal(kept);
                decision.Assigned.Should().Equal(assigned);
            },
            iter: 150, threads: 1);
    }

    [Fact]
    public void Kept_dropped_and_masked_are_all_and_counts_are_the_load()
    {
        Cases.Sample(
            c =>
            {
                using var scope = NewDisposeScope();
                using var decision = Decide(c);

                var real = c.Real?.Count(r => r) ?? c.Tokens;
                var kept = Compare.Bools(decision.Kept);
                decision.ValidTokens.Should().Be(real);
                decision.TokenCount.Should().Be(c.Tokens);
                (kept.Count(k => k) + decision.Dropped + (c.Tokens - real) * c.TopK).Should().Be(c.Tokens * c.TopK);
                Compare.Longs(decision.Counts).Should().Equal(decision.Load);
                decision.Load.Sum().Should().Be(kept.Count(k => k));
                decision.Assigned.Sum().Should().Be(real * c.TopK);
                var weights = Compare.Doubles(decision.Weights);
                weights.Zip(kept).Should().OnlyContain(pair => pair.Second == pair.First > 0);
            },
            iter: 100, threads: 1);
    }

    [Theory]
    [InlineData(0.25, 1)]
    [InlineData(1.0, 3)]
    [InlineData(1.1, 4)]
    public void An_expert_that_all_tokens_want_takes_as_many_as_the_formula_says(double factor, int places)
    {
        using var scope = NewDisposeScope();
        using var gate = OneWinner(Make.Options(experts: 4, topK: 1) with { Capacity = new() { Factor = factor } });
        using var decision = gate.Route(ones(12, 4, dtype: ScalarType.Float64));

        decision.Load.Should().Equal(0, 0, places, 0);
        decision.Dropped.Should().Be(12 - places);
        Compare.Bools(decision.Kept).Should().Equal(Enumerable.Range(0, 12).Select(token => token < places));
    }

    [Theory]
    [InlineData(1.1, 50, 1, 55)]
    [InlineData(1.0, 100, 7, 7)]
    [InlineData(1.4, 5, 1, 7)]
    public void A_product_that_is_whole_on_paper_opens_no_place_more(double factor, int tokensPerExpert, int experts, int expected)
    {
        using var scope = NewDisposeScope();
        var tokens = tensor((long)tokensPerExpert);
        var (e, k) = experts == 7 ? (100, 7) : (1, 1);
        var all = zeros(tokensPerExpert * 3, 1, dtype: ScalarType.Int64);

        var options = new CapacityOptions { Factor = factor };
        var places = Capacity.Places((tokens * k).reshape(1), 1, e, options, training: true);
        Compare.Bools(Capacity.Keep(all, places, e, arange(all.numel(), dtype: ScalarType.Int64))).Count(kept => kept).Should().Be(expected);
    }

    [Fact]
    public void A_dropped_token_gets_zero_and_costs_its_expert_nothing()
    {
        using var scope = NewDisposeScope();
        using var layer = Make.Layer(Make.Options(experts: 4, topK: 1) with { Capacity = new() { Factor = 1 } });
        using (no_grad())
            layer.Network.Weight.copy_(tensor(new double[] { 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 0, 0, 0, 0 }).reshape(4, 4));
        var x = Make.Normal(3, 8, 4).abs() + 1;
        using var result = layer.ForwardWithRouting(x);

        Compare.Close(result.Output.narrow(0, 0, 2), Textbook.StackOf(layer)[2](x.narrow(0, 0, 2)), 1e-12);
        Compare.Doubles(result.Output.narrow(0, 2, 6)).Should().OnlyContain(value => value == 0);
        var gradient = Make.Gradients(layer, x, layer.forward)["input"];
        Compare.Doubles(gradient.narrow(0, 2, 6)).Should().OnlyContain(value => value == 0);
    }

    [Fact]
    public void Training_and_evaluation_have_factors_of_their_own()
    {
        using var scope = NewDisposeScope();
        var options = Make.Options(experts: 4, topK: 1) with { Capacity = new() { Factor = 1, EvaluationFactor = 2 } };
        using var gate = OneWinner(options);
        using var dropless = OneWinner(options with { Capacity = null });
        var x = ones(12, 4, dtype: ScalarType.Float64);

        gate.Route(x).Load.Should().Equal(0, 0, 3, 0);
        dropless.Route(x).Load.Should().Equal(0, 0, 12, 0);
        gate.eval();
        gate.Route(x).Load.Should().Equal(0, 0, 6, 0);
    }

    [Fact]
    public void Capacity_is_counted_over_real_tokens_only()
    {
        using var scope = NewDisposeScope();
        using var gate = OneWinner(Make.Options(experts: 4, topK: 1) with { Capacity = new() { Factor = 1 } });
        var mask = Make.Mask(0, 1, 1, 0, 1, 1, 0, 0, 0, 0, 0, 0);
        using var decision = gate.Route(ones(12, 4, dtype: ScalarType.Float64), mask);

        decision.Load.Should().Equal(0, 0, 1, 0);
        decision.Assigned.Should().Equal(0, 0, 4, 0);
        Compare.Bools(decision.Kept).Should().Equal(Enumerable.Range(0, 12).Select(token => token == 1));
    }

    /// <summary>Expert 2 wins every token of ones.</summary>
    private static GatingNetwork OneWinner(GatingOptions options)
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        var gate = new GatingNetwork(options, dtype: ScalarType.Float64);
        gate.Weight.zero_();
        gate.Weight[2].fill_(1);
        return gate;
    }

    private static (bool[] Kept, long[] Assigned) Keep(long[] indices, double[] scores, Case c)
    {
        var real = c.Real ?? [.. Enumerable.Repeat(true, c.Tokens)];
        var places = Math.Ceiling((decimal)c.Factor * c.TopK * real.Count(r => r) / c.Experts);
        var kept = new bool[c.Tokens * c.TopK];
        var assigned = new long[c.Experts];

        // Of each token the places of its choices, best first; all experts stand in their own order when all are chosen.
        int[][] ranked = [.. Enumerable.Range(0, c.Tokens).Select(t => Enumerable.Range(t * c.TopK, c.TopK).OrderByDescending(at => scores[t * c.Experts + indices[at]]).ToArray())];
        for (var k = 0; k < c.TopK; k++)
        {
            for (var t = 0; t < c.Tokens; t++)
            {
                var at = ranked[t][k];
                if (real[t] && assigned[indices[at]]++ < places)
                    kept[at] = true;
            }
        }
        return (kept, assigned);
    }
}
