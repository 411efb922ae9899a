using CsCheck;
using static TorchSharp.torch;

namespace Moe.Core.Tests;

/// <summary>Every member of the capacity options against a loop that a reader can follow.</summary>
public sealed class CapacityOptionsTests
{
    private sealed record Case(CapacityOptions Options, int Sequences, int Length, int Experts, int TopK, bool Training, bool[]? Real, int Seed)
    {
        public int Tokens => Sequences * Length;

        public double? Factor => Training ? Options.Factor : Options.EvaluationFactor;
    }

    private static readonly double?[] Factors = [null, 0, 0.05, 0.3, 0.5, 0.7, 1, 1.1, 1.25, 2, 100, -0.3, -1, -1.1, -100];

    private static readonly Gen<double?> Factor = Gen.Int[0, Factors.Length - 1].Select(index => Factors[index]);

    /// <summary>Random overflow has tests of its own.</summary>
    private static readonly Overflow[] Orders = [Overflow.ChoiceThenPosition, Overflow.Position, Overflow.Probability, Overflow.BatchPrioritized];

    private static readonly Gen<CapacityOptions> Options =
        from isFixed in Gen.Int[0, 3]
        from places in Gen.Long[1, 6]
        from factor in Factor
        from evaluation in Factor
        from minimum in Gen.Long[0, 3]
        from multiple in Gen.Long[1, 4]
        from rounding in Gen.Enum<CapacityRounding>()
        from tokenScope in Gen.Enum<TokenScope>()
        from overflow in Gen.Int[0, Orders.Length - 1].Select(index => Orders[index])
        from renormalize in Gen.Bool
        select new CapacityOptions
        {
            Fixed = isFixed == 0 ? places : null,
            Factor = isFixed == 0 ? null : factor,
            EvaluationFactor = isFixed == 0 ? null : evaluation,
            Minimum = minimum,
            MultipleOf = multiple,
            Rounding = rounding,
            Scope = tokenScope,
            Overflow = overflow,
            RenormalizeKept = renormalize,
        };

    private static readonly Gen<Case> Cases =
        from options in Options
        from sequences in Gen.Int[1, 3]
        from length in Gen.Int[1, 9]
        from experts in Gen.Int[1, 5]
        from topK in Gen.Int[1, experts]
        from training in Gen.Bool
        from masked in Gen.Bool
        from real in Gen.Bool.Array[sequences * length]
        from seed in Gen.Int[1, 1000]
        select new Case(options, sequences, length, experts, topK, training, masked ? real : null, seed);

    [Fact]
    public void What_is_kept_the_weights_and_the_capacity_are_those_of_a_loop()
    {
        Cases.Sample(
            c =>
            {
                using var scope = NewDisposeScope();
                using var gate = Direct.Gate(Direct.Options(c.Experts, c.TopK) with { Capacity = c.Options, Softmax = SoftmaxOrder.BeforeSelection });
                gate.train(c.Training);
                using var mask = c.Real is null ? null : tensor(c.Real).reshape(c.Sequences, c.Length);
                var z = Make.Normal(c.Seed, c.Sequences, c.Length, c.Experts);
                using var decision = gate.Route(z, mask);

                var indices = Compare.Longs(decision.Indices);
                var p = Direct.Rows(z.reshape(-1, c.Experts).softmax(1));
                var (kept, capacity) = Keep(c, indices, p);
                Compare.Bools(decision.Kept).Should().Equal(kept);
                decision.Capacity.Should().Be(capacity);
                Compare.Doubles(decision.Weights).Zip(Weights(c, kept, indices, p)).Should().NotContain(pair => Math.Abs(pair.First - pair.Second) > 1e-14);
            },
            iter: 1500, threads: 1);
    }

    [Theory]
    [InlineData(0.7, 45, 32)]
    [InlineData(1.1, 25, 28)]
    [InlineData(1.1, 15, 16)]
    [InlineData(0.5, 3, 2)]
    public void A_half_on_paper_is_rounded_to_the_even_number(double factor, int tokens, int places)
    {
        using var scope = NewDisposeScope();

        Compare.Doubles(Capacity.Rounded(tensor((long)tokens), 1, 1, factor, CapacityRounding.Nearest)).Should().Equal(places);
    }

    [Fact]
    public void Random_overflow_is_seeded_and_fair()
    {
        using var scope = NewDisposeScope();
        using var gate = Direct.Gate(Direct.Options(2, 1) with { Capacity = new() { Fixed = 3, Overflow = Overflow.Random } });
        var z = Direct.Repeated(10, 1, 0);
        bool[] Draw(ulong seed)
        {
            using var generator = new Generator(seed);
            gate.Generator = generator;
            return Compare.Bools(gate.Route(z).Kept);
        }

        Draw(5).Should().Equal(Draw(5));
        const int Draws = 3000;
        var often = new int[10];
        for (var draw = 0; draw < Draws; draw++)
        {
            var kept = Draw((ulong)draw);
            kept.Count(k => k).Should().Be(3);
            for (var t = 0; t < 10; t++)
                often[t] += kept[t] ? 1 : 0;
        }
        often.Should().AllSatisfy(count => ((double)count / Draws).Should().BeApproximately(0.3, 4 * Math.Sqrt(0.3 * 0.7 / Draws)));
    }

    [Fact]
    public void In_evaluation_mode_random_overflow_is_by_position_and_draws_nothing()
    {
        using var scope = NewDisposeScope();
        using var generator = new Generator(5);
        using var gate = Direct.Gate(Direct.Options(2, 1) with { Capacity = new() { Fixed = 3, Overflow = Overflow.Random } });
        gate.Generator = generator;
        gate.eval();
        var state = Compare.Bits(generator.get_state());

        Compare.Bools(gate.Route(Direct.Repeated(5, 1, 0)).Kept).Should().Equal(true, true, true, false, false);
        Compare.Bits(generator.get_state()).Should().Equal(state);
    }

    public static TheoryData<CapacityOptions, int, bool> Causality => new()
    {
        { new(), 2, true },
        { new() { Factor = 0, EvaluationFactor = 0 }, 2, true },
        { new() { Factor = 1 }, 1, true },
        { new() { Factor = 1 }, 2, false },
        { new() { EvaluationFactor = 1 }, 2, false },
        { new() { Factor = -1 }, 2, false },
        { new() { Fixed = 3 }, 2, false },
        { new() { Fixed = 3 }, 1, true },
        { new() { Factor = 1, Overflow = Overflow.Position }, 2, true },
        { new() { Factor = 1, Overflow = Overflow.Probability }, 1, false },
        { new() { Factor = 1, Overflow = Overflow.BatchPrioritized }, 1, false },
        { new() { Factor = 1, Overflow = Overflow.Random }, 1, false },
    };

    [Theory]
    [MemberData(nameof(Causality))]
    public void A_gate_is_causal_if_no_later_token_can_take_a_place(CapacityOptions options, int topK, bool causal)
    {
        using var gate = Direct.Gate(Direct.Options(4, topK) with { Capacity = options });

        gate.IsCausal.Should().Be(causal);
    }

    [Fact]
    public void A_token_all_of_whose_experts_were_full_passes_through_if_asked_and_padding_does_not()
    {
        using var scope = NewDisposeScope();
        var options = Make.Options(topK: 1) with { Capacity = new() { Fixed = 1, Dropped = DroppedTokens.PassThrough } };
        using var layer = Make.Layer(options, shared: 1);
        using var dropping = Make.Layer(options with { Capacity = options.Capacity! with { Dropped = DroppedTokens.Zero } }, shared: 1);
        var x = Make.Normal(1, 8, 4);
        x[7].fill_(double.NaN);
        var mask = Make.Mask(1, 1, 1, 1, 1, 1, 1, 0);
        using var result = layer.ForwardWithRouting(x, mask);
        using var without = dropping.ForwardWithRouting(x, mask);

        var sent = Direct.Sent(result.Routing);
        sent.Take(7).Should().Contain(row => row.Length == 0);
        for (var t = 0; t < 7; t++)
            Compare.Close(result.Output[t] - without.Output[t], sent[t].Length == 0 ? x[t] : zeros_like(x[t]), 1e-14);
        Compare.Doubles(result.Output[7]).Should().Equal(0, 0, 0, 0);
    }

    [Fact]
    public void Passing_through_needs_an_output_as_wide_as_the_input()
    {
        using var gate = new GatingNetwork(Make.Options(2, 1) with { Capacity = new() { Factor = 1, Dropped = DroppedTokens.PassThrough } });

        FluentActions.Invoking(() => new MixtureOfExperts(gate, [new ZeroExpert(4, 3), new ZeroExpert(4, 3)])).Should().Throw<ArgumentException>()
            .WithMessage("*Dropped tokens that pass through need experts whose output (3) is as wide as their input (4).*");
    }

    private static (bool[] Kept, long? Capacity) Keep(Case c, long[] indices, double[][] p)
    {
        var kept = new bool[c.Tokens * c.TopK];
        long? capacity = null;
        var groups = c.Options.Scope == TokenScope.Batch ? 1 : c.Sequences;
        for (var group = 0; group < groups; group++)
        {
            var tokens = Enumerable.Range(0, c.Tokens / groups).Select(t => group * (c.Tokens / groups) + t).Where(t => c.Real?[t] ?? true).ToArray();
            var places = Places(c, tokens.Length);
            var wanted = new long[c.Experts];
            foreach (var (t, k) in Order(c, tokens, indices, p))
            {
                var expert = indices[t * c.TopK + k];
                kept[t * c.TopK + k] = places is null || wanted[expert] < places;
                wanted[expert]++;
            }
            if (c.Options.Fixed is null && c.Factor <= 0)
                places = Math.Min(places ?? long.MaxValue, Aligned(c, wanted.Max()));
            capacity = places is null ? null : Math.Max(capacity ?? 0, places.Value);
        }
        return (kept, capacity);
    }

    /// <summary>C of a group; null without a limit.</summary>
    private static long? Places(Case c, int tokens)
    {
        if (c.Options.Fixed is { } given)
            return Aligned(c, given);
        if (c.Factor is null or 0)
            return null;
        var exact = Math.Abs((decimal)c.Factor.Value) * c.TopK * tokens / c.Experts;
        return Aligned(c, (long)(c.Options.Rounding switch
        {
            CapacityRounding.Up => Math.Ceiling(exact),
            CapacityRounding.Down => Math.Floor(exact),
            _ => Math.Round(exact, MidpointRounding.ToEven),
        }));
    }

    private static long Aligned(Case c, long places)
    {
        var least = Math.Max(places, c.Options.Minimum);
        return (least + c.Options.MultipleOf - 1) / c.Options.MultipleOf * c.Options.MultipleOf;
    }

    private static IEnumerable<(int Token, int Choice)> Order(Case c, int[] tokens, long[] indices, double[][] p)
    {
        var all = tokens.SelectMany(t => Enumerable.Range(0, c.TopK).Select(k => (Token: t, Choice: k)));
        return c.Options.Overflow switch
        {
            Overflow.ChoiceThenPosition => all.OrderBy(Rank),
            Overflow.Position => all,
            Overflow.Probability => all.OrderByDescending(a => p[a.Token][indices[a.Token * c.TopK + a.Choice]]),
            _ => all.OrderBy(Rank).ThenByDescending(a => p[a.Token].Max()),
        };

        // All experts stand in their own order; which of them a token wants most is a matter of scores.
        int Rank((int Token, int Choice) a) => c.TopK == c.Experts ? p[a.Token].Count(other => other > p[a.Token][a.Choice]) : a.Choice;
    }

    private static double[] Weights(Case c, bool[] kept, long[] indices, double[][] p)
    {
        var weights = new double[kept.Length];
        for (var t = 0; t < c.Tokens; t++)
        {
            var choices = Enumerable.Range(t * c.TopK, c.TopK).ToArray();
            var (before, after) = (choices.Sum(at => p[t][indices[at]]), choices.Where(at => kept[at]).Sum(at => p[t][indices[at]]));
            foreach (var at in choices.Where(at => kept[at]))
                weights[at] = p[t][indices[at]] * (c.Options.RenormalizeKept ? before / after : 1);
        }
        return weights;
    }
}
