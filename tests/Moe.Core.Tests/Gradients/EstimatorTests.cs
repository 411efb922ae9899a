using static TorchSharp.torch;

namespace Moe.Core.Tests;

/// <summary>Gradients that are by design not the slope are what their formulas say.</summary>
public sealed class EstimatorTests
{
    private static readonly ScoreFunction[] Scores = [ScoreFunction.Softmax, ScoreFunction.Sigmoid, ScoreFunction.SqrtSoftplus, ScoreFunction.Relu];

    public static TheoryData<int> ScoreNumbers { get; } = [.. Enumerable.Range(0, Scores.Length)];

    [Theory]
    [MemberData(nameof(ScoreNumbers))]
    public void Straight_through_gives_the_gradients_of_the_scores_times_the_factor(int score)
    {
        using var scope = NewDisposeScope();
        var options = Make.Options() with { Score = Scores[score], Renormalize = true, NormPower = 2, ScalingFactor = 2.5 };
        using var plain = Make.Gate(options);
        using var straight = Make.Gate(options with { StraightThrough = true });
        var x = Make.Normal(2, 7, 4);

        Compare.Close(straight.Route(x).Weights, plain.Route(x).Weights, 1e-15, "what is computed forward");
        Make.SameGradients(
            Make.Gradients(straight, x, input => straight.Route(input).Weights),
            Make.Gradients(plain, x, input => plain.Route(input) is var decision ? decision.Scores.gather(1, decision.Indices) * 2.5 : null!),
            1e-12);
    }

    /// <summary>dwₖ/dzⱼ = pₖ (δₖⱼ - pⱼ) over the logits close to the best of those left, whether the draw counts in full or a third.</summary>
    [Fact]
    public void SparseMixer_counts_some_draws_a_third_and_gives_all_their_gradients_in_full()
    {
        const double jitter = 0.6;
        using var scope = NewDisposeScope();
        using var gate = Make.Gate(Make.Options() with { Selection = new SparseMixerSelection { Jitter = jitter } });
        var x = Make.Normal(2, 40, 4);
        var indices = Route(x).Indices;
        var weights = Compare.Doubles(Route(x).Weights);

        var logits = x.matmul(gate.Weight.detach().t());
        var first = Close(logits, logits);
        var second = Close(logits, logits.scatter(1, indices.narrow(1, 0, 1), full([40, 1], double.NegativeInfinity, dtype: ScalarType.Float64)));
        var direction = Make.Normal(99, 40, 2);
        var slope = Slope(first, 0) + Slope(second, 1);

        var actual = Make.Gradients(gate, x, input => Route(input).Weights);
        Compare.Close(actual["weight"], slope.t().matmul(x), 1e-12);
        Compare.Close(actual["input"], slope.matmul(gate.Weight.detach()), 1e-12);

        var full3 = Compare.Doubles(cat([first.gather(1, indices.narrow(1, 0, 1)), second.gather(1, indices.narrow(1, 1, 1))], 1));
        var shares = weights.Zip(full3, (weight, probability) => Math.Round(weight / probability, 10)).ToArray();
        shares.Should().OnlyContain(share => share == 1 || share == Math.Round(1.0 / 3, 10)).And.Contain(1).And.Contain(share => share < 1);

        RoutingDecision Route(Tensor input)
        {
            using var generator = new Generator(7);
            gate.Generator = generator;
            return gate.Route(input);
        }

        Tensor Slope(Tensor probabilities, int choice)
        {
            var chosen = indices.narrow(1, choice, 1);
            var one = zeros_like(probabilities).scatter(1, chosen, ones([40, 1], dtype: ScalarType.Float64));
            return direction.narrow(1, choice, 1) * probabilities.gather(1, chosen) * (one - probabilities);
        }

        static Tensor Close(Tensor all, Tensor left)
        {
            var best = left.amax([1], keepdim: true);
            return left.masked_fill(((best - all) / all.abs().maximum(best)).gt(2 * jitter), double.NegativeInfinity).softmax(-1);
        }
    }

    /// <summary>y = w · f(x · (1 + w - w̄)) with w̄ constant: for f(x) = A x + b the slope in w is A x + b + w̄ · A x.</summary>
    [Fact]
    public void A_weight_on_the_output_also_gets_the_gradient_of_the_input()
    {
        using var scope = NewDisposeScope();
        var options = Make.Options(experts: 1, topK: 1) with { Score = ScoreFunction.Sigmoid };
        using var layer = Make.Filled(
            new MixtureOfExperts(
                new GatingNetwork(options with { WeightTarget = WeightTarget.OutputWithInputGradient }, dtype: ScalarType.Float64),
                [new LinearExpert(4, 4, dtype: ScalarType.Float64)]),
            seed: 1);
        var (gate, matrix, bias) = (layer.Network.Weight, layer.get_parameter("experts.0.weight")!, layer.get_parameter("experts.0.bias")!);
        var x = Make.Normal(2, 6, 4);

        var expected = Make.Gradients(layer, x, input =>
        {
            var weight = input.matmul(gate.t()).sigmoid();
            var constant = weight.detach();
            return weight * (input.matmul(matrix.t()) + bias) + constant * (weight - constant) * input.matmul(matrix.t());
        });
        Make.SameGradients(Make.Gradients(layer, x, layer.forward), expected, 1e-12);
    }
}
