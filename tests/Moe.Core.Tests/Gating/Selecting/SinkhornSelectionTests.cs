using static TorchSharp.torch;

namespace Moe.Core.Tests;

/// <summary>Choices by a balanced transport plan (Clark et al. 2022).</summary>
public sealed class SinkhornSelectionTests
{
    [Fact]
    public void In_evaluation_the_best_logit_is_chosen_where_scores_round_to_the_same()
    {
        using var scope = NewDisposeScope();
        using var gate = Direct.Gate(PublishedGates.Sinkhorn(2, 2), ScalarType.Float32);
        gate.eval();

        // σ(30) and σ(40) are both 1 in Float32.
        using var decision = gate.Route(tensor(new float[] { 30, 40, 40, 30 }).reshape(2, 2));

        Compare.Longs(decision.Indices).Should().Equal(1, 0);
    }

    [Theory]
    [InlineData(1, 1.0, ScalarType.Float64)]
    [InlineData(2, 4.0, ScalarType.Float64)]
    [InlineData(3, 1.0, ScalarType.Float32)]
    public void Rows_and_columns_of_the_plan_sum_to_their_shares(int seed, double spread, ScalarType type)
    {
        using var scope = NewDisposeScope();
        var z = Make.Normal(seed, type, 30, 5) * spread;

        var plan = new SinkhornSelection { Iterations = 3000 }.Plan(z, null);

        Compare.Doubles(plan.sum(dim: 1)).Should().AllSatisfy(sum => sum.Should().BeApproximately(1.0 / 30, 1e-6));
        Compare.Doubles(plan.sum(dim: 0)).Should().AllSatisfy(sum => sum.Should().BeApproximately(1.0 / 5, 1e-6));
    }

    [Fact]
    public void The_plan_is_the_product_of_exponentials_and_of_factors_for_rows_and_columns()
    {
        using var scope = NewDisposeScope();
        var z = Make.Normal(4, 6, 3);

        // As published, with d₁ = 1 at first: d₀ = 1 / (T Σ d₁ c), d₁ = 1 / (E Σ d₀ c).
        var c = Direct.Rows(z.exp());
        var (d0, d1) = (new double[6], new double[] { 1, 1, 1 });
        for (var round = 0; round < 7; round++)
        {
            for (var t = 0; t < 6; t++)
                d0[t] = 1 / (6 * Enumerable.Range(0, 3).Sum(e => d1[e] * c[t][e]));
            for (var e = 0; e < 3; e++)
                d1[e] = 1 / (3 * Enumerable.Range(0, 6).Sum(t => d0[t] * c[t][e]));
        }
        var expected = from t in Enumerable.Range(0, 6) from e in Enumerable.Range(0, 3) select d0[t] * c[t][e] * d1[e];
        Compare.Close(new SinkhornSelection { Iterations = 7 }.Plan(z, null), tensor(expected.ToArray()).reshape(6, 3), 1e-15);
    }

    [Fact]
    public void Padding_has_no_part_in_the_plan()
    {
        using var scope = NewDisposeScope();
        var z = Make.Normal(1, 6, 4);
        var mask = Make.Mask(1, 0, 1, 1, 0, 1);
        var real = tensor(new long[] { 0, 2, 3, 5 });

        var rule = new SinkhornSelection();
        var plan = rule.Plan(z, mask);

        Compare.Close(plan.index_select(0, real), rule.Plan(z.index_select(0, real), null), 1e-15);
        Compare.Doubles(plan.index_select(0, tensor(new long[] { 1, 4 }))).Should().OnlyContain(value => value == 0);
    }

    [Theory]
    [InlineData(1, 3.0)]
    [InlineData(2, 40.0)]
    [InlineData(1, 200.0)]
    public void Load_is_even_although_all_tokens_like_the_same_experts(int topK, double favour)
    {
        using var scope = NewDisposeScope();
        var z = Make.Normal(1, ScalarType.Float32, 400, 4) + arange(4) * favour;
        using var plain = Direct.Gate(Direct.Options(4, topK), ScalarType.Float32);
        using var balanced = Direct.Gate(PublishedGates.Sinkhorn(4, 4, topK) with { Selection = new SinkhornSelection { Iterations = 200 } }, ScalarType.Float32);

        plain.Route(z).Load.Max().Should().BeGreaterThan(390);
        balanced.Route(z).Load.Should().OnlyContain(load => load > topK * 100 * 0.75 && load < topK * 100 * 1.25);
        balanced.IsCausal.Should().BeFalse();
    }

    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    public void In_evaluation_mode_the_best_logits_choose(int topK)
    {
        using var scope = NewDisposeScope();
        using var plain = Direct.Gate(Direct.Options(4, topK));
        using var gate = Direct.Gate(PublishedGates.Sinkhorn(4, 4, topK));
        var z = Make.Normal(1, 30, 4) + arange(4);
        gate.eval();

        Compare.SameBits(gate.Route(z).Indices, plain.Route(z).Indices);
    }

    [Fact]
    public void Weights_come_from_the_logits_of_those_chosen()
    {
        using var scope = NewDisposeScope();
        var z = Make.Normal(1, 30, 4) + arange(4);
        using var one = Direct.Gate(PublishedGates.Sinkhorn(4, 4));
        using var two = Direct.Gate(PublishedGates.Sinkhorn(4, 4, topK: 2));

        Compare.Close(one.Route(z).Weights, z.sigmoid().gather(1, one.Route(z).Indices), 1e-15);
        Compare.Close(two.Route(z).Weights, z.softmax(1).gather(1, two.Route(z).Indices), 1e-15);
    }

    [Fact]
    public void Nothing_but_padding_is_routed_nowhere()
    {
        using var scope = NewDisposeScope();
        using var gate = Direct.Gate(PublishedGates.Sinkhorn(4, 4));
        using var decision = gate.Route(Make.Normal(1, 3, 4), Make.Mask(0, 0, 0));

        decision.Load.Should().Equal(0, 0, 0, 0);
        Compare.Longs(decision.Indices).Should().OnlyContain(e => e >= 0 && e < 4);
    }
}
