using CsCheck;
using static TorchSharp.torch;

namespace Moe.Core.Tests;

/// <summary>The journey there and back, without experts.</summary>
public sealed class DispatchPlanTests
{
    [Fact]
    public void Rows_travel_grouped_by_expert_in_token_order()
    {
        using var scope = NewDisposeScope();
        using var gate = Make.Gate(Make.Options(experts: 3, topK: 2) with { Capacity = new() { Factor = 0.9 } });
        var x = Make.Normal(2, 9, 4);
        using var decision = gate.Route(x, Make.Mask(1, 1, 0, 1, 1, 1, 1, 0, 1));
        var (indices, kept) = (Compare.Longs(decision.Indices), Compare.Bools(decision.Kept));

        var rows = DispatchPlan.From(decision).Gather(x);

        var expected = from e in Enumerable.Range(0, 3)
                       from place in Enumerable.Range(0, 18)
                       where kept[place] && indices[place] == e
                       select (long)(place / 2);
        Compare.SameBits(rows, x.index_select(0, tensor(expected.ToArray())));
        decision.Dropped.Should().BePositive();
    }

    [Fact]
    public void What_travels_unchanged_comes_home_times_the_sum_of_its_weights()
    {
        var cases =
            from tokens in Gen.Int[1, 10]
            from experts in Gen.Int[1, 5]
            from topK in Gen.Int[1, experts]
            from capacity in Gen.Bool
            from real in Gen.Bool.Array[tokens]
            from seed in Gen.Int[1, 1000]
            select (tokens, experts, topK, capacity, real, seed);
        cases.Sample(
            c =>
            {
                using var scope = NewDisposeScope();
                using var gate = Make.Gate(Make.Options(c.experts, c.topK) with { Capacity = c.capacity ? new() { Factor = 0.7 } : null }, c.seed);
                var x = Make.Normal(c.seed, c.tokens, 4);
                using var decision = gate.Route(x, tensor(c.real));
                var plan = DispatchPlan.From(decision);

                var home = plan.Combine([plan.Gather(x)], x, 4);

                Compare.Close(home, x * decision.Weights.sum(dim: 1, keepdim: true), 1e-14);
            },
            iter: 100, threads: 1);
    }

    [Fact]
    public void An_inverse_undoes_an_order()
    {
        using var scope = NewDisposeScope();
        var order = tensor(new long[] { 2, 0, 3, 1 });

        Compare.Longs(Rows.Inverse(order)).Should().Equal(1, 3, 0, 2);
    }
}
