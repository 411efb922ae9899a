using static TorchSharp.torch;

namespace Moe.Core.Tests;

/// <summary>Values and gradients against the textbook forms, in Float64.</summary>
public sealed class MixtureOfExpertsTextbookTests
{
    private const double Tolerance = 1e-10;

    public static TheoryData<int, SoftmaxOrder, bool, int> Cases()
    {
        var data = new TheoryData<int, SoftmaxOrder, bool, int>();
        foreach (var topK in new[] { 1, 2, 5 })
        {
            for (var seed = 1; seed <= 3; seed++)
            {
                data.Add(topK, SoftmaxOrder.AfterSelection, false, seed);
                data.Add(topK, SoftmaxOrder.BeforeSelection, false, seed);
                data.Add(topK, SoftmaxOrder.BeforeSelection, true, seed);
                data.Add(topK, SoftmaxOrder.AfterSelection, true, seed);
            }
        }
        return data;
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void Equal_experts_give_the_token_by_token_sum(int topK, SoftmaxOrder softmax, bool renormalize, int seed)
    {
        using var scope = NewDisposeScope();
        var options = Make.Options(experts: 5, topK: topK) with { Softmax = softmax, Renormalize = renormalize };
        using var layer = Make.Layer(options, seed);
        var x = Make.Normal(seed + 50, 9, 4);
        Tensor Expected(Tensor input) =>
            Textbook.Mixture(input, layer.Network.Weight, null, Textbook.StackOf(layer), options);

        Compare.Close(layer.forward(x), Expected(x), Tolerance);
        Make.SameGradients(Make.Gradients(layer, x, layer.forward), Make.Gradients(layer, x, Expected), Tolerance);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void Dense_routing_is_the_sum_over_all_experts_weighted_by_the_softmax(int seed)
    {
        using var scope = NewDisposeScope();
        using var layer = Make.Layer(Make.Options(experts: 4, topK: 4), seed);
        var x = Make.Normal(seed, 7, 4);
        var experts = Textbook.StackOf(layer);
        Tensor Dense(Tensor input)
        {
            var g = functionalSoftmax(input.matmul(layer.Network.Weight.t()));
            return experts.Select((f, i) => g.narrow(1, i, 1) * f(input)).Aggregate((left, right) => left + right);
        }

        Compare.Close(layer.forward(x), Dense(x), Tolerance);
        Make.SameGradients(Make.Gradients(layer, x, layer.forward), Make.Gradients(layer, x, Dense), Tolerance);

        static Tensor functionalSoftmax(Tensor logits) => logits.exp() / logits.exp().sum(1, keepdim: true);
    }

    [Theory]
    [InlineData(1, SoftmaxOrder.BeforeSelection, false, 1)]
    [InlineData(2, SoftmaxOrder.AfterSelection, false, 2)]
    [InlineData(2, SoftmaxOrder.BeforeSelection, true, 4)]
    [InlineData(8, SoftmaxOrder.AfterSelection, false, 3)]
    public void Experts_of_all_kinds_give_the_token_by_token_sum(int topK, SoftmaxOrder softmax, bool renormalize, int seed)
    {
        using var scope = NewDisposeScope();
        var options = new GatingOptions { InputWidth = 4, ExpertCount = 8, TopK = topK, Bias = true, Softmax = softmax, Renormalize = renormalize };
        using var layer = Make.Filled(AllKinds(options), seed);
        var x = Make.Normal(seed + 20, 12, 4);
        var p = layer.named_parameters().ToDictionary(pair => pair.name, pair => (Tensor)pair.parameter);
        Func<Tensor, Tensor>[] experts =
        [
            row => Textbook.FeedForward(row, p["experts.0.up_weight"][0], p["experts.0.up_bias"][0], p["experts.0.down_weight"][0], p["experts.0.down_bias"][0]),
            row => Textbook.SwiGlu(row, p["experts.1.gate_up_weight"], p["experts.1.down_weight"]),
            row => row.detach() * 2 - 1,
            row => Textbook.FeedForward(row, p["experts.0.up_weight"][1], p["experts.0.up_bias"][1], p["experts.0.down_weight"][1], p["experts.0.down_bias"][1]),
            row => row.matmul(p["experts.4.weight"].t()) + p["experts.4.bias"],
            row => row,
            row => p["experts.6.value"].unsqueeze(0),
            row => (row.matmul(p["experts.7.module.0.weight"].t()) + p["experts.7.module.0.bias"]).tanh(),
        ];
        Tensor Expected(Tensor input) => Textbook.Mixture(input, layer.Network.Weight, layer.Network.Bias, experts, options);

        Compare.Close(layer.forward(x), Expected(x), Tolerance);
        Make.SameGradients(Make.Gradients(layer, x, layer.forward), Make.Gradients(layer, x, Expected), Tolerance);
    }

    [Fact]
    public void Shared_experts_are_added_with_weight_one()
    {
        using var scope = NewDisposeScope();
        var options = Make.Options();
        using var layer = Make.Layer(options, shared: 2);
        var x = Make.Normal(3, 6, 4);
        Tensor Expected(Tensor input) =>
            Textbook.StackOf(layer, "shared_experts", 2).Aggregate(
                Textbook.Mixture(input, layer.Network.Weight, null, Textbook.StackOf(layer), options), (sum, f) => sum + f(input));

        Compare.Close(layer.forward(x), Expected(x), Tolerance);
        Make.SameGradients(Make.Gradients(layer, x, layer.forward), Make.Gradients(layer, x, Expected), Tolerance);
    }

    [Theory]
    [InlineData(SoftmaxOrder.AfterSelection)]
    [InlineData(SoftmaxOrder.BeforeSelection)]
    public void Gradients_are_the_slopes_that_finite_differences_measure(SoftmaxOrder softmax)
    {
        using var scope = NewDisposeScope();
        using var layer = Make.Layer(Make.Options(experts: 3, topK: 2, width: 2) with { Softmax = softmax, Bias = true }, seed: 4);
        var x = Make.Normal(5, 4, 2);
        var direction = Make.Normal(99, 4, 2);
        var gradients = Make.Gradients(layer, x, layer.forward);
        const double Step = 1e-6;

        foreach (var (name, parameter) in layer.named_parameters().Append(("input", null!)))
        {
            var values = parameter is null ? x : parameter;
            var slopes = Compare.Doubles(gradients[name]);
            for (var i = 0; i < slopes.Length; i++)
            {
                var slope = (Loss(values, i, Step) - Loss(values, i, -Step)) / (2 * Step);
                slope.Should().BeApproximately(slopes[i], 1e-7, "entry {0} of {1} is measured so", i, name);
            }
        }

        double Loss(Tensor values, int index, double step)
        {
            using var inner = NewDisposeScope();
            using var noGrad = no_grad();
            var entry = values.view(-1)[index];
            entry.add_(step);
            var loss = (layer.forward(x) * direction).sum().item<double>();
            entry.add_(-step);
            return loss;
        }
    }

    /// <summary>Built-in experts of every kind and a rule; places 0 and 3 are equal and are stored stacked.</summary>
    private static MixtureOfExperts AllKinds(GatingOptions options) => new(
        new GatingNetwork(options, dtype: ScalarType.Float64),
        [
            new FeedForwardExpert(Make.FeedForward(), dtype: ScalarType.Float64),
            new GatedFeedForwardExpert(new() { InputWidth = 4, HiddenWidth = 3 }, dtype: ScalarType.Float64),
            new DelegateExpert(4, 4, row => row * 2 - 1),
            new FeedForwardExpert(Make.FeedForward(), dtype: ScalarType.Float64),
            new LinearExpert(4, 4, dtype: ScalarType.Float64),
            new IdentityExpert(4),
            new ConstantExpert(4, Make.Normal(1, 4)),
            new ModuleExpert(nn.Sequential(nn.Linear(4, 4, dtype: ScalarType.Float64), nn.Tanh()), 4, 4),
        ]);
}
