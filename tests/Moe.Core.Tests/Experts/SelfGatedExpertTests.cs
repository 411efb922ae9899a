using static TorchSharp.torch;

namespace Moe.Core.Tests;

/// <summary>An expert that weighs itself; as a shared expert that of Qwen2-MoE.</summary>
public sealed class SelfGatedExpertTests
{
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void As_a_shared_expert_it_adds_its_answer_times_a_sigmoid_of_its_own(int seed)
    {
        using var scope = NewDisposeScope();
        using var layer = Layer(seed);
        var x = Make.Normal(seed + 10, 9, 4);
        Tensor Expected(Tensor input)
        {
            var p = layer.named_parameters().ToDictionary(pair => pair.name, pair => (Tensor)pair.parameter);
            var gate = (input * p["shared_experts.0.gate_weight"]).sum(dim: 1, keepdim: true);
            var shared = Textbook.SwiGlu(
                input, p["shared_experts.0.expert.gate_up_weight"], p["shared_experts.0.expert.down_weight"]);
            var routed = Textbook.Mixture(input, layer.Network.Weight, null, Textbook.StackOf(layer), layer.Network.Options);
            return routed + shared / (1 + (-gate).exp());
        }

        Compare.Close(layer.forward(x), Expected(x), 1e-13);
        Make.SameGradients(Make.Gradients(layer, x, layer.forward), Make.Gradients(layer, x, Expected), 1e-12);
    }

    [Fact]
    public void Padding_never_reaches_it()
    {
        using var scope = NewDisposeScope();
        using var layer = Layer(1);
        var x = Make.Normal(11, 3, 4);
        var padded = cat([x, full([1, 4], double.NaN, dtype: ScalarType.Float64)]);
        using var result = layer.ForwardWithRouting(padded, Make.Mask(1, 1, 1, 0));

        Compare.Close(result.Output.narrow(0, 0, 3), layer.forward(x), 1e-14);
        Compare.Doubles(result.Output[3]).Should().Equal(0, 0, 0, 0);
    }

    [Fact]
    public void A_mixture_inside_adds_its_decision_to_the_pass()
    {
        using var scope = NewDisposeScope();
        using var expert = new SelfGatedExpert(Make.Layer(Make.Options()), dtype: ScalarType.Float64);
        using var pass = new RoutingPass();
        var x = Make.Normal(11, 3, 4);

        Compare.SameBits(expert.forward(x, pass), expert.forward(x));
        pass.Layers.Should().ContainSingle().Which.Layer.Should().BeSameAs(expert.Expert);
    }

    [Fact]
    public void What_is_no_module_is_refused() =>
        FluentActions.Invoking(() => new SelfGatedExpert(new ThirdOfSum())).Should().Throw<ArgumentException>()
            .WithMessage("Expected an expert that is an nn.Module<Tensor, Tensor>, got ThirdOfSum.*");

    [Fact]
    public void A_gate_of_another_type_than_the_rows_is_refused()
    {
        using var scope = NewDisposeScope();
        using var expert = new SelfGatedExpert(new LinearExpert(4, 4, dtype: ScalarType.Float32), dtype: ScalarType.Float32);

        expert.Invoking(e => e.forward(Make.Normal(1, 2, 4))).Should().Throw<ArgumentException>()
            .WithMessage("Expected input of type Float32, as the expert's gate is, got Float64.*");
    }

    private static MixtureOfExperts Layer(int seed) => Make.Filled(
        new MixtureOfExperts(
            new GatingNetwork(PublishedGates.Qwen(4, 4, 2, renormalize: false), dtype: ScalarType.Float64),
            StackedExperts.FeedForward(4, Make.FeedForward(), dtype: ScalarType.Float64),
            [new SelfGatedExpert(new GatedFeedForwardExpert(new() { InputWidth = 4, HiddenWidth = 6 }, dtype: ScalarType.Float64), dtype: ScalarType.Float64)]),
        seed);
}
