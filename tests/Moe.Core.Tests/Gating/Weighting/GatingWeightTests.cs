using static TorchSharp.torch;

namespace Moe.Core.Tests;

/// <summary>Scores, selection, weights, straight-through, temperature.</summary>
public sealed class GatingWeightTests
{
    [Theory]
    [InlineData(SoftmaxOrder.AfterSelection, false, true)]
    [InlineData(SoftmaxOrder.BeforeSelection, true, true)]
    [InlineData(SoftmaxOrder.BeforeSelection, false, false)]
    public void Weights_sum_to_one_where_they_must(SoftmaxOrder softmax, bool renormalize, bool toOne)
    {
        using var scope = NewDisposeScope();
        using var gate = Make.Gate(Make.Options() with { Softmax = softmax, Renormalize = renormalize });
        using var decision = gate.Route(Make.Normal(2, 20, 4));

        var sums = Compare.Doubles(decision.Weights.sum(dim: 1));

        if (toOne)
            sums.Should().AllSatisfy(sum => sum.Should().BeApproximately(1, 1e-12));
        else
            sums.Should().AllSatisfy(sum => sum.Should().BeInRange(0.01, 0.999));
    }

    [Theory]
    [InlineData(SoftmaxOrder.AfterSelection, 1)]
    [InlineData(SoftmaxOrder.AfterSelection, 2)]
    [InlineData(SoftmaxOrder.BeforeSelection, 1)]
    [InlineData(SoftmaxOrder.BeforeSelection, 2)]
    public void Straight_through_leaves_the_forward_bits_alone(SoftmaxOrder softmax, int topK)
    {
        using var scope = NewDisposeScope();
        var options = Make.Options(experts: 8, topK: topK) with { Softmax = softmax };
        using var plain = Make.Gate(options, type: ScalarType.Float32);
        using var straight = Make.Gate(options with { StraightThrough = true }, type: ScalarType.Float32);
        var x = Make.Normal(2, ScalarType.Float32, 2000, 4);

        Compare.SameBits(straight.Route(x).Weights, plain.Route(x).Weights);
    }

    [Theory]
    [InlineData(SoftmaxOrder.AfterSelection, 1)]
    [InlineData(SoftmaxOrder.AfterSelection, 3)]
    [InlineData(SoftmaxOrder.BeforeSelection, 2)]
    public void Straight_through_gradients_are_those_of_the_softmax_over_all_experts(SoftmaxOrder softmax, int topK)
    {
        using var scope = NewDisposeScope();
        using var gate = Make.Gate(Make.Options(topK: topK) with { Softmax = softmax, StraightThrough = true });
        var x = Make.Normal(2, 10, 4);
        var indices = gate.Route(x).Indices;

        var actual = Make.Gradients(gate, x, input => gate.Route(input).Weights);

        // dp_i/dz_j = p_i (δ_ij - p_j): with r on the chosen and 0 elsewhere, dL/dz = p ⊙ (r - Σ p r).
        var p = x.matmul(gate.Weight.detach().t()).softmax(1);
        var r = zeros(10, 4, dtype: ScalarType.Float64).scatter(1, indices, Make.Normal(99, 10, topK));
        var slope = p * (r - (p * r).sum(dim: 1, keepdim: true));
        Compare.Close(actual["weight"], slope.t().matmul(x), 1e-12);
        Compare.Close(actual["input"], slope.matmul(gate.Weight.detach()), 1e-12);
    }

    [Fact]
    public void Top_1_after_selection_teaches_the_gate_only_with_straight_through()
    {
        using var scope = NewDisposeScope();
        var options = Make.Options(topK: 1);
        using var plain = Make.Gate(options);
        using var straight = Make.Gate(options with { StraightThrough = true });
        var x = Make.Normal(2, 10, 4);

        Make.Gradients(plain, x, input => plain.Route(input).Weights)["weight"].abs().max().item<double>().Should().Be(0);
        var learned = Make.Gradients(straight, x, input => straight.Route(input).Weights)["weight"];
        Compare.Doubles(learned.abs().max(1).values).Should().AllSatisfy(row => row.Should().BeGreaterThan(1e-3));
    }

    [Theory]
    [InlineData(0.25)]
    [InlineData(3.0)]
    public void Temperature_divides_the_logits_before_every_softmax(double temperature)
    {
        using var scope = NewDisposeScope();
        var options = Make.Options(topK: 2) with { Temperature = temperature };
        using var gate = Make.Gate(options);
        var x = Make.Normal(2, 10, 4);
        using var decision = gate.Route(x);

        var logits = x.matmul(gate.Weight.t());
        Compare.Close(decision.Logits, logits, 1e-12);
        Compare.Close(decision.Scores, (logits / temperature).softmax(1), 1e-12);
        Compare.Close(decision.Weights, (logits / temperature).gather(1, decision.Indices).softmax(1), 1e-12);

        gate.Temperature = 1;
        Compare.Close(gate.Route(x).Scores, logits.softmax(1), 1e-12);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(4)]
    public void The_mixture_obeys_the_textbook_at_any_temperature(int topK)
    {
        using var scope = NewDisposeScope();
        var options = Make.Options(topK: topK) with { Temperature = 0.7, Bias = true };
        using var layer = Make.Layer(options);
        var x = Make.Normal(8, 9, 4);

        var expected = Textbook.Mixture(x, layer.Network.Weight, layer.Network.Bias, Textbook.StackOf(layer), options, 0.7);
        Compare.Close(layer.forward(x), expected, 1e-10);
    }

    [Fact]
    public void Sparse_choices_are_the_largest_logits_best_first()
    {
        using var scope = NewDisposeScope();
        using var gate = Make.Gate(Make.Options(experts: 6, topK: 3));
        using var decision = gate.Route(Make.Normal(2, 15, 4));

        var expected = decision.Logits.sort(1, descending: true).Indices.narrow(1, 0, 3);
        Compare.SameBits(decision.Indices, expected);
    }

    [Fact]
    public void Dense_choices_are_all_experts_in_order()
    {
        using var scope = NewDisposeScope();
        using var gate = Make.Gate(Make.Options(experts: 3, topK: 3));
        using var decision = gate.Route(Make.Normal(2, 2, 4));

        Compare.Longs(decision.Indices).Should().Equal(0, 1, 2, 0, 1, 2);
        Compare.Close(decision.Weights, decision.Scores, 1e-15);
    }

    [Fact]
    public void A_single_expert_gets_everything_with_weight_one()
    {
        using var scope = NewDisposeScope();
        using var gate = Make.Gate(Make.Options(experts: 1, topK: 1));
        using var decision = gate.Route(Make.Normal(2, 3, 4));

        Compare.Doubles(decision.Weights).Should().Equal(1, 1, 1);
        decision.Load.Should().Equal(3);
    }

    [Fact]
    public void Fresh_weights_lie_within_one_over_the_root_of_the_width_and_biases_and_noise_begin_at_zero()
    {
        using var generator = new Generator(3);
        using var gate = new GatingNetwork(Make.Options(experts: 50, width: 16) with { Bias = true, Noise = new LearnedNoise() }, generator);

        Compare.Doubles(gate.Weight).Should().OnlyContain(value => Math.Abs(value) <= 0.25).And.Contain(value => Math.Abs(value) > 0.2);
        Compare.Doubles(gate.Bias!).Should().OnlyContain(value => value == 0);
        Compare.Doubles(gate.NoiseWeight!).Should().OnlyContain(value => value == 0);
        gate.Weight.requires_grad.Should().BeTrue();
        gate.Bias!.requires_grad.Should().BeTrue();
    }
}
