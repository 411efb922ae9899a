using static TorchSharp.torch;

namespace Moe.Core.Tests;

/// <summary>Each built-in expert computes the formula that its documentation states.</summary>
public sealed class ExpertFormulaTests
{
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Linear_is_x_times_weight_plus_bias(bool bias)
    {
        using var scope = NewDisposeScope();
        using var expert = Make.Filled(new LinearExpert(4, 3, bias, dtype: ScalarType.Float64), 1);
        var x = Make.Normal(2, 5, 4);
        var expected = x.matmul(expert.get_parameter("weight")!.t());

        Compare.Close(expert.forward(x), bias ? expected + expert.get_parameter("bias")! : expected, 1e-14);
    }

    [Theory]
    [InlineData("ReLU", true)]
    [InlineData("GELU", false)]
    [InlineData("SiLU", true)]
    [InlineData("tanh", false)]
    [InlineData("sigmoid", true)]
    public void Feed_forward_is_two_products_with_the_activation_between(string name, bool bias)
    {
        using var scope = NewDisposeScope();
        var (activation, formula) = Formulas.Single(pair => pair.Activation.Name == name);
        using var expert = Make.Filled(
            new FeedForwardExpert(new() { InputWidth = 4, HiddenWidth = 6, OutputWidth = 3, Activation = activation, Bias = bias }, dtype: ScalarType.Float64), 1);
        var x = Make.Normal(2, 5, 4);
        Tensor B(string key) => bias ? expert.get_parameter(key)! : zeros(1, dtype: ScalarType.Float64);
        var hidden = formula(x.matmul(expert.get_parameter("up_weight")!.t()) + B("up_bias"));

        Compare.Close(expert.forward(x), hidden.matmul(expert.get_parameter("down_weight")!.t()) + B("down_bias"), 1e-13);
    }

    [Theory]
    [InlineData("ReLU", true)]
    [InlineData("GELU", false)]
    [InlineData("SiLU", false)]
    public void Gated_feed_forward_multiplies_the_activated_gate_with_up(string name, bool bias)
    {
        using var scope = NewDisposeScope();
        var (activation, formula) = Formulas.Single(pair => pair.Activation.Name == name);
        using var expert = Make.Filled(
            new GatedFeedForwardExpert(new() { InputWidth = 4, HiddenWidth = 6, Activation = activation, Bias = bias }, dtype: ScalarType.Float64), 1);
        var x = Make.Normal(2, 5, 4);
        Tensor B(string key) => bias ? expert.get_parameter(key)! : zeros(1, dtype: ScalarType.Float64);
        var both = (x.matmul(expert.get_parameter("gate_up_weight")!.t()) + B("gate_up_bias")).chunk(2, 1);
        var (gate, up) = (formula(both[0]), both[1]);

        Compare.Close(expert.forward(x), (gate * up).matmul(expert.get_parameter("down_weight")!.t()) + B("down_bias"), 1e-13);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Constant_answers_its_value_and_learns_if_it_may(bool trainable)
    {
        using var scope = NewDisposeScope();
        var value = Make.Normal(1, 3);
        using var expert = new ConstantExpert(4, value, trainable);
        value.fill_(0);

        Compare.Close(expert.forward(Make.Normal(2, 2, 4)), Make.Normal(1, 3).unsqueeze(0).expand(2, 3), 0);
        expert.Value.requires_grad.Should().Be(trainable);
        if (trainable)
        {
            expert.forward(Make.Normal(2, 5, 4)).sum().backward();
            Compare.Doubles(expert.Value.grad!).Should().Equal(5, 5, 5);
        }
    }

    [Fact]
    public void Identity_zero_rule_and_module_answer_what_they_say()
    {
        using var scope = NewDisposeScope();
        var x = Make.Normal(2, 5, 4);
        using var identity = new IdentityExpert(4);
        using var linear = nn.Linear(4, 2, dtype: ScalarType.Float64);
        using var module = new ModuleExpert(linear, 4, 2);

        Compare.SameBits(identity.forward(x), x);
        Compare.SameBits(new ZeroExpert(4, 2).forward(x), zeros(5, 2, dtype: ScalarType.Float64));
        Compare.SameBits(new DelegateExpert(4, 4, rows => rows.exp()).forward(x), x.exp());
        Compare.SameBits(module.forward(x), linear.forward(x));
        module.Module.Should().BeSameAs(linear);
    }

    [Fact]
    public void Activations_have_names_and_value_equality()
    {
        Activation.Gelu.ToString().Should().Be("GELU");
        Activation.Gelu.Should().Be(Activation.Gelu with { }).And.NotBe(Activation.Silu);
        Func<Tensor, Tensor> square = x => x.square();
        new Activation("square", square).Should().Be(new Activation("square", square));
    }

    private static readonly (Activation Activation, Func<Tensor, Tensor> Formula)[] Formulas =
    [
        (Activation.Relu, x => x * x.gt(0)),
        (Activation.Gelu, x => x * 0.5 * (1 + (x / Math.Sqrt(2)).erf())),
        (Activation.Silu, x => x / (1 + (-x).exp())),
        (Activation.Tanh, x => (x.exp() - (-x).exp()) / (x.exp() + (-x).exp())),
        (Activation.Sigmoid, x => 1 / (1 + (-x).exp())),
    ];
}
