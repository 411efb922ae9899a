using static TorchSharp.torch;

namespace Moe.Core.Tests;

/// <summary>Experts that answer nothing, so that a token can make do with fewer (AdaMoE, Zeng et al. 2024; MoE++, Jin et al. 2024).</summary>
public sealed class NullExpertTests
{
    public static TheoryData<int, ScoreFunction, SoftmaxOrder, bool> Weightings => new()
    {
        { 1, ScoreFunction.Softmax, SoftmaxOrder.AfterSelection, false },
        { 2, ScoreFunction.Softmax, SoftmaxOrder.BeforeSelection, true },
        { 3, ScoreFunction.Softmax, SoftmaxOrder.BeforeSelection, false },
        { 4, ScoreFunction.Sigmoid, SoftmaxOrder.AfterSelection, true },
    };

    [Theory]
    [MemberData(nameof(Weightings))]
    public void Weights_are_normalised_over_the_real_experts_among_those_chosen(int seed, ScoreFunction score, SoftmaxOrder order, bool renormalize)
    {
        using var scope = NewDisposeScope();
        using var gate = Direct.Gate(Direct.Options(6, 3) with { NullExperts = 3, Score = score, Softmax = order, Renormalize = renormalize });
        var z = Make.Normal(seed, 60, 6);
        using var decision = gate.Route(z);

        var weights = Direct.Weights(decision);
        foreach (var (row, t) in Direct.Rows(z).Select((row, t) => (row, t)))
        {
            var s = row.Select(logit => score == ScoreFunction.Sigmoid ? 1 / (1 + Math.Exp(-logit)) : Math.Exp(logit) / row.Sum(Math.Exp)).ToArray();
            var real = Enumerable.Range(0, 6).OrderByDescending(e => s[e]).Take(3).Where(e => e < 3).ToArray();
            var sum = order == SoftmaxOrder.AfterSelection || renormalize ? real.Sum(e => s[e]) : 1;
            for (var e = 0; e < 6; e++)
                weights[t][e].Should().BeApproximately(real.Contains(e) ? s[e] / sum : 0, 1e-14);
        }
        weights.Should().Contain(row => row.Count(weight => weight > 0) == 0).And.Contain(row => row.Count(weight => weight > 0) == 3);
    }

    [Theory]
    [InlineData(SoftmaxOrder.AfterSelection, 1, 1e-20)]
    [InlineData(SoftmaxOrder.BeforeSelection, 1, 1e-20)]
    [InlineData(SoftmaxOrder.BeforeSelection, 1, 0)]
    [InlineData(SoftmaxOrder.BeforeSelection, 2, 0)]
    public void A_token_that_chose_none_but_null_experts_gets_nothing_and_gives_finite_gradients(SoftmaxOrder order, double power, double epsilon)
    {
        using var scope = NewDisposeScope();
        var type = ScalarType.Float32;
        using var layer = new MixtureOfExperts(
            Direct.Gate(Direct.Options(4, 2) with { NullExperts = 2, Softmax = order, Renormalize = true, NormPower = power, NormEpsilon = epsilon }, type),
            [new FeedForwardExpert(Make.FeedForward(), dtype: type), new FeedForwardExpert(Make.FeedForward(), dtype: type), new ZeroExpert(4, 4), new ZeroExpert(4, 4)]);
        var x = tensor(new float[] { -1, -2, 3, 4, 1, 2, -3, -4 }).reshape(2, 4);
        using var result = layer.ForwardWithRouting(x);

        Compare.Doubles(result.Output[0]).Should().OnlyContain(value => value == 0);
        Compare.Doubles(result.Output[1]).Should().Contain(value => value != 0);
        Compare.Doubles(result.Routing.Weights[0]).Should().Equal(0, 0);
        foreach (var (name, gradient) in Make.Gradients(layer, x, layer.forward))
            Compare.Doubles(gradient).Should().OnlyContain(value => double.IsFinite(value), "that is the gradient of {0}", name);
    }

    [Fact]
    public void A_layer_demands_zero_experts_where_the_gate_has_null_ones()
    {
        using var scope = NewDisposeScope();
        using var gate = Direct.Gate(Direct.Options(4, 2) with { NullExperts = 2 });

        FluentActions.Invoking(() => new MixtureOfExperts(gate, [new ThirdOfSum(), new ThirdOfSum(), new ThirdOfSum(), new ZeroExpert(4, 4)]))
            .Should().Throw<ArgumentException>()
            .WithMessage("*The gate's last 2 experts are null: expert 2 (ThirdOfSum) must be a ZeroExpert.*")
            .Which.Message.Should().NotContain("expert 3");
    }

    [Fact]
    public void Null_experts_count_in_the_load_like_others()
    {
        using var scope = NewDisposeScope();
        using var gate = Direct.Gate(Direct.Options(3, 1) with { NullExperts = 1 });
        using var decision = gate.Route(tensor(new double[] { 0, 1, 2, 2, 1, 0 }).reshape(2, 3));

        decision.Load.Should().Equal(1, 0, 1);
        gate.NullExpertCount.Should().Be(1);
    }

    [Fact]
    public void Zero_identity_and_constant_experts_work_beside_networks()
    {
        using var scope = NewDisposeScope();
        using var layer = new MixtureOfExperts(
            Direct.Gate(PublishedGates.Dense(4, 4)),
            [new ZeroExpert(4, 4), new IdentityExpert(4), new ThirdOfSum(), new FeedForwardExpert(Make.FeedForward(), dtype: ScalarType.Float64)]);
        var x = Make.Normal(1, 9, 4);

        var p = x.softmax(1);
        using var learned = layer.Experts[3].forward(x);
        var expected = p.narrow(1, 1, 1) * x + p.narrow(1, 2, 1) * x.sum(dim: 1, keepdim: true) / 3 + p.narrow(1, 3, 1) * learned;
        Compare.Close(layer.forward(x), expected, 1e-14);
    }
}
