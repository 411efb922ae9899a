using static TorchSharp.torch;

namespace Moe.Core.Tests;

/// <summary>Padding is not routed, not counted, gets 0 whatever it holds, and moves no gradient.</summary>
public sealed class MixtureOfExpertsMaskTests
{
    private static readonly int[] Real = [1, 0, 1, 1, 0, 0, 1, 1];

    public static TheoryData<GatingOptions> AllOptions() => new(
        Make.Options(),
        Make.Options(topK: 1) with { StraightThrough = true, Bias = true },
        Make.Options(topK: 4) with { Temperature = 0.5 },
        Make.Options() with { Softmax = SoftmaxOrder.BeforeSelection, Renormalize = true },
        Make.Options() with { Capacity = new() { Factor = 0.6 } });

    [Theory]
    [MemberData(nameof(AllOptions))]
    public void Values_and_gradients_are_those_of_the_real_tokens_alone(GatingOptions options)
    {
        using var scope = NewDisposeScope();
        using var layer = Make.Layer(options, shared: 2);
        var x = Poisoned();
        var mask = Make.Mask(Real);
        var places = mask.nonzero().squeeze(1);
        var alone = x.index_select(0, places);

        using var masked = layer.ForwardWithRouting(x, mask);
        using var expected = layer.ForwardWithRouting(alone);

        Compare.Close(masked.Output.index_select(0, places), expected.Output, 1e-12);
        Compare.Doubles(masked.Output[mask.logical_not()]).Should().OnlyContain(value => value == 0);
        masked.Routing.Load.Should().Equal(expected.Routing.Load);
        masked.Routing.Assigned.Should().Equal(expected.Routing.Assigned);
        masked.Routing.ValidTokens.Should().Be(5);
        masked.Routing.TokenCount.Should().Be(8);
        layer.SharedExperts.Should().HaveCount(2);

        var gradients = Make.Gradients(layer, x, input => layer.ForwardWithRouting(input, mask).Output.index_select(0, places));
        var reference = Make.Gradients(layer, alone, layer.forward);
        Compare.Doubles(gradients["input"][mask.logical_not()]).Should().OnlyContain(value => value == 0);
        gradients["input"] = gradients["input"].index_select(0, places);
        Make.SameGradients(gradients, reference, 1e-12);
    }

    [Fact]
    public void A_loss_over_all_outputs_moves_nothing_through_padding()
    {
        using var scope = NewDisposeScope();
        using var layer = Make.Layer(Make.Options(), shared: 1);
        var mask = Make.Mask(Real);

        var gradients = Make.Gradients(layer, Poisoned(), input => layer.ForwardWithRouting(input, mask).Output);

        gradients.Should().AllSatisfy(pair => Compare.Doubles(pair.Value).Should().OnlyContain(value => double.IsFinite(value)));
        Compare.Doubles(gradients["input"][mask.logical_not()]).Should().OnlyContain(value => value == 0);
    }

    [Fact]
    public void A_batch_of_padding_alone_gives_zeros_and_finite_gradients()
    {
        using var scope = NewDisposeScope();
        using var layer = Make.Layer(Make.Options() with { Capacity = new() { Factor = 1 } }, shared: 1);
        var x = full([6, 4], double.NaN, dtype: ScalarType.Float64);
        var mask = zeros(6, dtype: ScalarType.Bool);
        using var result = layer.ForwardWithRouting(x, mask);

        Compare.Doubles(result.Output).Should().OnlyContain(value => value == 0);
        result.Routing.Load.Should().Equal(0, 0, 0, 0);
        result.Routing.ValidTokens.Should().Be(0);
        result.Routing.Dropped.Should().Be(0);
        var gradients = Make.Gradients(layer, x, input => layer.ForwardWithRouting(input, mask).Output);
        gradients.Should().AllSatisfy(pair => Compare.Doubles(pair.Value).Should().OnlyContain(value => value == 0));
        LoadBalance.Loss(result.Routing).item<double>().Should().Be(0);
    }

    [Fact]
    public void Shared_experts_never_see_padding_since_their_slope_at_zero_may_be_infinite()
    {
        using var scope = NewDisposeScope();
        using var layer = Make.Filled(
            new MixtureOfExperts(
                new GatingNetwork(Make.Options(), dtype: ScalarType.Float64),
                StackedExperts.FeedForward(4, Make.FeedForward(), dtype: ScalarType.Float64),
                [new ModuleExpert(new RootExpert(), 4, 4)]),
            1);
        var mask = Make.Mask(Real);

        var gradients = Make.Gradients(layer, Poisoned(), input => layer.ForwardWithRouting(input, mask).Output);

        Compare.Doubles(gradients["input"]).Should().OnlyContain(value => double.IsFinite(value));
    }

    [Fact]
    public void A_mask_of_real_tokens_alone_changes_no_bit()
    {
        using var scope = NewDisposeScope();
        using var layer = Make.Layer(Make.Options(), shared: 1);
        var x = Make.Normal(3, 8, 4);

        using var masked = layer.ForwardWithRouting(x, ones(8, dtype: ScalarType.Bool));

        Compare.SameBits(masked.Output, layer.forward(x));
    }

    [Fact]
    public void The_mask_has_the_leading_dimensions_of_the_input()
    {
        using var scope = NewDisposeScope();
        using var layer = Make.Layer(Make.Options());
        var x = Poisoned();
        var flat = layer.ForwardWithRouting(x, Make.Mask(Real));

        using var square = layer.ForwardWithRouting(x.reshape(2, 4, 4), Make.Mask(Real).reshape(2, 4));
        Compare.SameBits(square.Output, flat.Output.reshape(2, 4, 4));
        using var strided = layer.ForwardWithRouting(x.reshape(2, 4, 4).transpose(0, 1), Make.Mask(Real).reshape(2, 4).t());
        Compare.Close(strided.Output.transpose(0, 1).reshape(8, 4), flat.Output, 1e-12);
        using var none = layer.ForwardWithRouting(x[1], tensor(false));
        Compare.Doubles(none.Output).Should().Equal(0, 0, 0, 0);
    }

    [Fact]
    public void A_decision_does_not_change_when_the_mask_is_used_again()
    {
        using var scope = NewDisposeScope();
        using var gate = Make.Gate(Make.Options());
        var mask = Make.Mask(Real);
        using var decision = gate.Route(Make.Normal(3, 8, 4), mask);

        mask.fill_(true);

        Compare.Bools(decision.Mask!).Should().Equal(Real.Select(value => value == 1));
    }

    [Fact]
    public void Padding_is_excluded_from_the_gate_alone_too()
    {
        using var scope = NewDisposeScope();
        using var gate = Make.Gate(Make.Options());
        using var decision = gate.Route(Poisoned(), Make.Mask(Real));

        Compare.Doubles(decision.Scores).Should().OnlyContain(value => double.IsFinite(value));
        Compare.Doubles(decision.Weights[decision.Mask!.logical_not()]).Should().OnlyContain(value => value == 0);
    }

    /// <summary>Tokens whose padding holds what must not spread.</summary>
    private static Tensor Poisoned()
    {
        var x = Make.Normal(3, 8, 4);
        x[1].fill_(double.NaN);
        x[4].fill_(double.PositiveInfinity);
        x[5].fill_(double.NegativeInfinity);
        return x;
    }

    private sealed class RootExpert() : nn.Module<Tensor, Tensor>(nameof(RootExpert))
    {
        public override Tensor forward(Tensor input) => input.abs().sqrt();
    }
}
