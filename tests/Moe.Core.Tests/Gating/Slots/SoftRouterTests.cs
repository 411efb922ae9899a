using static TorchSharp.torch;

namespace Moe.Core.Tests;

/// <summary>Soft MoE (Puigcerver et al. 2023) against the equations of the paper, slot by slot and token by token.</summary>
public sealed class SoftRouterTests
{
    public static TheoryData<int, SlotNormalization, int, int, bool> Cases => new()
    {
        { 1, SlotNormalization.UnitLength, 1, 1, false },
        { 2, SlotNormalization.UnitLength, 2, 3, false },
        { 3, SlotNormalization.UnitLength, 2, 3, true },
        { 4, SlotNormalization.RootMeanSquareSlots, 2, 2, true },
        { 5, SlotNormalization.LayerNormSlots, 2, 2, true },
        { 6, SlotNormalization.None, 3, 1, true },
    };

    [Theory]
    [MemberData(nameof(Cases))]
    public void Outputs_and_gradients_are_those_of_the_equations(int seed, SlotNormalization normalization, int slots, int sequences, bool masked)
    {
        using var scope = NewDisposeScope();
        using var layer = Layer(normalization, slots, seed);
        var x = Make.Normal(seed + 10, sequences, 5, 4);
        var mask = masked ? Make.Normal(seed + 20, sequences, 5).gt(-0.5) : null;
        Tensor Forward(Tensor input) => layer.ForwardWithRouting(input, mask).Output;

        Compare.Close(Forward(x), Textbook(layer, x, mask), 1e-13);
        Make.SameGradients(Make.Gradients(layer, x, Forward), Make.Gradients(layer, x, input => Textbook(layer, input, mask)), 1e-12);
    }

    [Fact]
    public void Experts_answer_exactly_their_slots_of_each_sequence_whatever_is_padding()
    {
        using var scope = NewDisposeScope();
        var rows = new List<long>();
        ProbeModule Probe() => new(input =>
        {
            rows.Add(input.size(0));
            return input * 1;
        });
        using var layer = new MixtureOfExperts(new SoftRouter(Options(slots: 2), dtype: ScalarType.Float64), [Probe(), Probe(), Probe()]);

        using var result = layer.ForwardWithRouting(Make.Normal(1, 5, 7, 4), Make.Normal(2, 5, 7).gt(0));

        rows.Should().Equal(10, 10, 10);
    }

    [Fact]
    public void A_sequence_of_nothing_but_padding_gets_zero_and_gives_finite_gradients()
    {
        using var scope = NewDisposeScope();
        using var layer = Layer(SlotNormalization.UnitLength, slots: 2, seed: 1);
        var x = Make.Normal(1, 2, 3, 4);
        var mask = Make.Mask(0, 0, 0, 1, 1, 0).reshape(2, 3);
        using var result = layer.ForwardWithRouting(x, mask);

        Compare.Doubles(result.Output[0]).Should().OnlyContain(value => value == 0);
        Compare.Doubles(result.Output[1, 2]).Should().OnlyContain(value => value == 0);
        Compare.Doubles(result.Output[1, 0]).Should().Contain(value => value != 0);
        foreach (var (name, gradient) in Make.Gradients(layer, x, input => layer.ForwardWithRouting(input, mask).Output))
            Compare.Doubles(gradient).Should().OnlyContain(value => double.IsFinite(value), "that is the gradient of {0}", name);
    }

    [Fact]
    public void NaN_in_padding_reaches_neither_slots_nor_gradients()
    {
        using var scope = NewDisposeScope();
        using var layer = Layer(SlotNormalization.UnitLength, slots: 2, seed: 1);
        var clean = Make.Normal(1, 2, 3, 4);
        var mask = Make.Mask(1, 1, 0, 1, 0, 0).reshape(2, 3);
        var spoilt = clean.masked_fill(mask.bitwise_not().unsqueeze(-1), double.NaN);
        Tensor Forward(Tensor input) => layer.ForwardWithRouting(input, mask).Output;

        Compare.SameBits(Forward(spoilt), Forward(clean));
        Make.SameGradients(Make.Gradients(layer, spoilt, Forward), Make.Gradients(layer, clean, Forward), 0);
    }

    [Fact]
    public void One_token_is_alone_in_every_slot()
    {
        using var scope = NewDisposeScope();
        using var layer = Layer(SlotNormalization.UnitLength, slots: 2, seed: 1);
        var x = Make.Normal(1, 1, 4);
        using var result = layer.ForwardWithRouting(x);

        Compare.Doubles(result.Routing.Slots!.Dispatch).Should().OnlyContain(weight => weight == 1);
        var experts = Core.Tests.Textbook.StackOf(layer);
        var scores = Compare.Doubles(result.Routing.Scores);
        var expected = Enumerable.Range(0, 3).Select(e => scores[e] * experts[e](x)).Aggregate((left, right) => left + right);
        Compare.Close(result.Output, expected, 1e-14);
    }

    [Fact]
    public void The_decision_tells_scores_as_sums_over_slots_and_sends_every_token_to_every_expert()
    {
        using var scope = NewDisposeScope();
        using var router = Make.Filled(new SoftRouter(Options(slots: 2, SlotNormalization.None), dtype: ScalarType.Float64), 3);
        var x = Make.Normal(1, 6, 4);
        using var decision = router.Route(x);

        var z = Direct.Rows(x.matmul(router.Slots.t()));
        for (var t = 0; t < 6; t++)
        {
            for (var e = 0; e < 3; e++)
            {
                var own = z[t].Skip(2 * e).Take(2).Sum(Math.Exp);
                Direct.Rows(decision.Scores)[t][e].Should().BeApproximately(own / z[t].Sum(Math.Exp), 1e-14);
                Direct.Rows(decision.Logits)[t][e].Should().BeApproximately(Math.Log(own), 1e-14);
            }
        }
        decision.Load.Should().Equal(6, 6, 6);
        router.IsCausal.Should().BeFalse();
    }

    [Fact]
    public void Choices_cannot_be_forced()
    {
        using var scope = NewDisposeScope();
        using var router = new SoftRouter(Options(slots: 1));

        router.Invoking(r => r.Route(ones(2, 4), new RoutingContext { ForcedIndices = zeros(2, 1, dtype: ScalarType.Int64) }))
            .Should().Throw<ArgumentException>().WithMessage("Expected no ForcedIndices: a router that mixes all tokens into all slots has nothing to force.");
    }

    [Fact]
    public void Everything_wrong_with_the_options_is_in_one_message() =>
        FluentActions.Invoking(() => new SoftRouter(new() { InputWidth = 0, ExpertCount = 0, SlotsPerExpert = -1, Normalization = (SlotNormalization)9 }))
            .Should().Throw<ArgumentException>().Which.Message.Should().Be(
                "SoftRouterOptions is not valid: InputWidth (0) must be at least 1. ExpertCount (0) must be at least 1. SlotsPerExpert (-1) must be at least 1. "
                + "Normalization (9) must be UnitLength, RootMeanSquareSlots, LayerNormSlots or None. (Parameter 'options')");

    [Fact]
    public void Parameters_begin_in_bounds_and_at_one_and_defaults_are_as_documented()
    {
        using var unit = new SoftRouter(Options(slots: 4));
        using var gained = new SoftRouter(Options(slots: 4, SlotNormalization.RootMeanSquareSlots));

        unit.Slots.shape.Should().Equal(12, 4);
        Compare.Doubles(unit.Slots).Should().OnlyContain(value => Math.Abs(value) <= 0.5);
        Compare.Doubles(unit.Scale!).Should().Equal(1);
        unit.SlotGain.Should().BeNull();
        Compare.Doubles(gained.SlotGain!).Should().Equal(1, 1, 1, 1);
        gained.Scale.Should().BeNull();
        new SoftRouterOptions { InputWidth = 1, ExpertCount = 1 }.Should().Be(
            new SoftRouterOptions { InputWidth = 1, ExpertCount = 1, SlotsPerExpert = 1, Normalization = SlotNormalization.UnitLength });
    }

    private static SoftRouterOptions Options(int slots, SlotNormalization normalization = SlotNormalization.UnitLength) =>
        new() { InputWidth = 4, ExpertCount = 3, SlotsPerExpert = slots, Normalization = normalization };

    private static MixtureOfExperts Layer(SlotNormalization normalization, int slots, int seed) => Make.Filled(
        new MixtureOfExperts(
            new SoftRouter(Options(slots, normalization), dtype: ScalarType.Float64),
            StackedExperts.FeedForward(3, Make.FeedForward(), dtype: ScalarType.Float64)),
        seed);

    /// <summary>Equations 1 to 3: D and C are softmaxes of the logits over tokens and over slots; X̃ = Dᵀ X, Ỹ = f(X̃), Y = C Ỹ.</summary>
    private static Tensor Textbook(MixtureOfExperts layer, Tensor x, Tensor? mask)
    {
        var router = (SoftRouter)layer.Gate;
        var experts = Core.Tests.Textbook.StackOf(layer);
        var (slots, perExpert) = ((int)router.Slots.size(0), router.Options.SlotsPerExpert);
        var phi = Enumerable.Range(0, slots).Select(p => Slot(router, router.Slots[p])).ToArray();
        var sequences = new List<Tensor>();
        for (var g = 0; g < x.size(0); g++)
        {
            var real = mask is null ? [.. Enumerable.Range(0, 5)] : Compare.Bools(mask[g]).Index().Where(item => item.Item).Select(item => item.Index).ToArray();
            var z = real.Select(t => phi.Select(slot => (Token(router, x[g, t]) * slot).sum() * (router.Scale is { } scale ? scale : 1)).ToArray()).ToArray();
            var answers = Enumerable.Range(0, slots).Select(p =>
            {
                var sum = z.Select(row => row[p].exp()).Aggregate(zeros(1, dtype: ScalarType.Float64), (left, right) => left + right);
                var mixed = real.Select((t, at) => z[at][p].exp() / sum * x[g, t]).Aggregate(zeros(4, dtype: ScalarType.Float64), (left, right) => left + right);
                return experts[p / perExpert](mixed.unsqueeze(0)).squeeze(0);
            }).ToArray();
            sequences.Add(stack(Enumerable.Range(0, 5).Select(t =>
            {
                var at = Array.IndexOf(real, t);
                if (at < 0)
                    return zeros(4, dtype: ScalarType.Float64);
                var sum = z[at].Select(logit => logit.exp()).Aggregate((left, right) => left + right);
                return answers.Select((answer, p) => z[at][p].exp() / sum * answer).Aggregate((left, right) => left + right);
            })));
        }
        return stack(sequences);
    }

    private static Tensor Token(SoftRouter router, Tensor token) =>
        router.Options.Normalization == SlotNormalization.UnitLength ? token / ((token * token).sum() + 1e-6).sqrt() : token;

    private static Tensor Slot(SoftRouter router, Tensor slot) => router.Options.Normalization switch
    {
        SlotNormalization.UnitLength => slot / ((slot * slot).sum() + 1e-6).sqrt(),
        SlotNormalization.RootMeanSquareSlots => slot / (slot * slot).sum().sqrt() * 2 * router.SlotGain!,
        SlotNormalization.LayerNormSlots => (slot - slot.mean()) / ((slot - slot.mean()).square().mean() + 1e-5).sqrt() * router.SlotGain!,
        _ => slot,
    };
}
