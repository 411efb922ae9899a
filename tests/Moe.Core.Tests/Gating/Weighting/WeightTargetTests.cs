using static TorchSharp.torch;

namespace Moe.Core.Tests;

/// <summary>What a weight is multiplied with: the answer, the input (Llama 4), or the answer with a gradient for the input.</summary>
public sealed class WeightTargetTests
{
    [Theory]
    [InlineData(1, 1)]
    [InlineData(2, 1)]
    [InlineData(3, 3)]
    public void Llama_4_multiplies_the_input_and_learns_through_it(int seed, int topK)
    {
        using var scope = NewDisposeScope();
        using var layer = Make.Layer(PublishedGates.Llama4(4, 4, topK), seed);
        var x = Make.Normal(seed + 10, 7, 4);

        Compare.Close(layer.forward(x), Textbook(x), 1e-13);
        Make.SameGradients(Make.Gradients(layer, x, layer.forward), Make.Gradients(layer, x, Textbook), 1e-12);

        Tensor Textbook(Tensor input)
        {
            var z = input.matmul(layer.Network.Weight.t());
            return Sum(layer, input, topK, (e, t, expert) => expert(z[t, e].sigmoid() * input[t].unsqueeze(0)));
        }
    }

    [Fact]
    public void An_input_gradient_changes_no_bit_of_the_answer()
    {
        using var scope = NewDisposeScope();
        using var layer = Make.Layer(Make.Options(), type: ScalarType.Float32);
        using var straight = Make.Layer(Make.Options() with { WeightTarget = WeightTarget.OutputWithInputGradient }, type: ScalarType.Float32);
        var x = Make.Normal(1, ScalarType.Float32, 50, 4);

        Compare.SameBits(straight.forward(x), layer.forward(x));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void An_input_gradient_is_that_of_a_factor_on_the_input_which_is_one(int seed)
    {
        using var scope = NewDisposeScope();
        using var layer = Make.Layer(Make.Options() with { WeightTarget = WeightTarget.OutputWithInputGradient, Softmax = SoftmaxOrder.BeforeSelection }, seed);
        var x = Make.Normal(seed + 10, 7, 4);

        var actual = Make.Gradients(layer, x, layer.forward);
        var expected = Make.Gradients(layer, x, input =>
        {
            var p = input.matmul(layer.Network.Weight.t()).softmax(1);
            return Sum(layer, input, 2, (e, t, expert) => p[t, e] * expert(input[t].unsqueeze(0) * (1 + p[t, e] - p[t, e].detach())));
        });
        Make.SameGradients(actual, expected, 1e-12);
        using var plain = Make.Layer(Make.Options() with { Softmax = SoftmaxOrder.BeforeSelection }, seed);
        Compare.Distance(Make.Gradients(plain, x, plain.forward)["gate.weight"], actual["gate.weight"]).Should().BeGreaterThan(1e-3);
    }

    [Theory]
    [InlineData(WeightTarget.Input)]
    [InlineData(WeightTarget.OutputWithInputGradient)]
    public void Dropped_and_padded_tokens_get_zero_whatever_is_weighed(WeightTarget target)
    {
        using var scope = NewDisposeScope();
        using var layer = Make.Layer(Make.Options(topK: 1) with { WeightTarget = target, Capacity = new() { Fixed = 1 } });
        var x = Make.Normal(1, 9, 4);
        var mask = Make.Mask(1, 1, 1, 1, 1, 1, 1, 1, 0);
        using var result = layer.ForwardWithRouting(x, mask);

        var sent = Direct.Sent(result.Routing);
        for (var t = 0; t < 9; t++)
            Compare.Doubles(result.Output[t]).Any(value => value != 0).Should().Be(sent[t].Length > 0);
        result.Routing.Dropped.Should().BePositive();
    }

    private static Tensor Sum(MixtureOfExperts layer, Tensor input, int topK, Func<int, int, Func<Tensor, Tensor>, Tensor> answer)
    {
        var experts = Textbook.StackOf(layer);
        var z = Direct.Rows(input.matmul(layer.Network.Weight.t()));
        return cat([.. z.Select((row, t) => Enumerable.Range(0, row.Length).OrderByDescending(e => row[e]).Take(topK)
            .Select(e => answer(e, t, experts[e])).Aggregate((left, right) => left + right))]);
    }
}
