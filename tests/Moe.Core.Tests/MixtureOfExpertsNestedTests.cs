using TorchSharp;
using static TorchSharp.torch;

namespace Moe.Core.Tests;

/// <summary>Mixtures as experts of mixtures: values, decisions, and what they leave behind.</summary>
public sealed class MixtureOfExpertsNestedTests
{
    private static readonly GatingOptions Outer = Make.Options(experts: 3);
    private static readonly GatingOptions Inner = Make.Options(experts: 2, topK: 1) with { Softmax = SoftmaxOrder.BeforeSelection };

    [Fact]
    public void A_mixture_of_mixtures_gives_the_nested_sums()
    {
        using var scope = NewDisposeScope();
        using var layer = Nested(Make.Layer(Inner));
        var inner = (MixtureOfExperts)layer.Experts[1];
        var x = Make.Normal(3, 9, 4);
        Tensor Expected(Tensor input)
        {
            var linear = layer.named_parameters().ToDictionary(pair => pair.name, pair => (Tensor)pair.parameter);
            return Textbook.Mixture(
                input, layer.Network.Weight, null,
                [
                    row => row.matmul(linear["experts.0.weight"].t()) + linear["experts.0.bias"],
                    row => Textbook.Mixture(row, inner.Network.Weight, null, Textbook.StackOf(inner), Inner),
                    row => row,
                ],
                Outer);
        }

        Compare.Close(layer.forward(x), Expected(x), 1e-12);
        Make.SameGradients(Make.Gradients(layer, x, layer.forward), Make.Gradients(layer, x, Expected), 1e-12);
        Make.SameGradients(
            Make.Gradients(layer, x, input =>
            {
                using var pass = new RoutingPass();
                return layer.forward(input, pass);
            }),
            Make.Gradients(layer, x, Expected), 1e-12);
    }

    public static TheoryData<string> Ways() => new("mixture", "module", "sequence", "routed module", "plain module");

    [Theory]
    [MemberData(nameof(Ways))]
    public void Decisions_of_both_levels_are_collected_the_outer_one_first(string way)
    {
        using var scope = NewDisposeScope();
        var inner = Make.Layer(Inner);
        using var layer = Nested(way switch
        {
            "mixture" => inner,
            "module" => new ModuleExpert(inner, 4, 4),
            "sequence" => new ModuleExpert(new RoutedSequential(nn.Tanh(), inner), 4, 4),
            "routed module" => new RoutedExpert(inner),
            _ => new RoutedPlainModule(inner),
        });
        var x = Make.Normal(3, 9, 4);
        using var pass = new RoutingPass();

        Compare.SameBits(layer.forward(x, pass), layer.forward(x));

        pass.Layers.Select(routing => routing.Layer).Should().Equal(layer, inner);
        pass.Layers[1].Decision.TokenCount.Should().Be(pass.Layers[0].Decision.Load[1]).And.BePositive();
    }

    [Fact]
    public void Padding_is_taken_out_before_the_inner_mixture_routed_or_shared()
    {
        using var scope = NewDisposeScope();
        var (inner, shared) = (Make.Layer(Inner, 5), Make.Layer(Inner, 6));
        using var layer = Make.Filled(
            new MixtureOfExperts(
                new GatingNetwork(Outer, dtype: ScalarType.Float64), [new LinearExpert(4, 4, dtype: ScalarType.Float64), inner, new IdentityExpert(4)], [shared]),
            7);
        var x = Make.Normal(3, 2, 4, 4);
        var mask = Make.Mask(1, 1, 0, 1, 0, 1, 1, 1).reshape(2, 4);
        var places = mask.reshape(-1).nonzero().squeeze(1);
        using var masked = new RoutingPass(mask);
        using var alone = new RoutingPass();

        using var output = layer.forward(x.masked_fill(mask.logical_not().unsqueeze(-1), double.NaN), masked);
        using var expected = layer.forward(x.reshape(8, 4).index_select(0, places), alone);

        Compare.Close(output.reshape(8, 4).index_select(0, places), expected, 1e-12);
        masked.Layers.Select(routing => routing.Layer).Should().Equal(layer, inner, shared);
        for (var i = 0; i < 3; i++)
            masked.Layers[i].Decision.Load.Should().Equal(alone.Layers[i].Decision.Load);
        masked.Layers[1].Decision.TokenCount.Should().Be(masked.Layers[0].Decision.Load[1]);
        masked.Layers[2].Decision.TokenCount.Should().Be(6);
    }

    [Fact]
    public void A_mixture_that_gets_no_token_decides_nothing()
    {
        using var scope = NewDisposeScope();
        using var layer = Nested(Make.Layer(Inner));
        using var pass = new RoutingPass(zeros(5, dtype: ScalarType.Bool));

        Compare.Doubles(layer.forward(Make.Normal(1, 5, 4), pass)).Should().OnlyContain(value => value == 0);

        pass.Layers.Should().ContainSingle();
    }

    [Fact]
    public void The_balance_of_the_inner_gate_teaches_it()
    {
        using var scope = NewDisposeScope();
        using var layer = Nested(Make.Layer(Inner));
        using var pass = new RoutingPass();
        using var output = layer.forward(Make.Normal(3, 9, 4), pass);

        LoadBalance.Loss(pass.Layers[1].Decision).backward();

        ((MixtureOfExperts)layer.Experts[1]).Network.Weight.grad!.abs().max().item<double>().Should().BeGreaterThan(1e-6);
    }

    [Fact]
    public void Nothing_stays_alive()
    {
        using var layer = Nested(Make.Layer(Inner, shared: 1));
        using var x = Make.Normal(3, 9, 4);
        using var mask = Make.Mask(1, 1, 0, 1, 1, 1, 1, 0, 1);

        LiveTensors.After(() =>
        {
            for (var i = 0; i < 10; i++)
            {
                using var pass = new RoutingPass(mask);
                using var output = layer.forward(x, pass);
                using var balance = LoadBalance.Loss(pass.Layers[1].Decision);
                using var sum = output.sum();
                using var loss = sum + balance;
                loss.backward();
                layer.forward(x).Dispose();
                layer.ForwardWithRouting(x, mask).Dispose();
            }
        }).Should().Be(0);
    }

    [Fact]
    public void It_moves_to_a_narrow_type_with_both_gates_in_Float32()
    {
        using var scope = NewDisposeScope();
        using var layer = Nested(Make.Layer(Inner, type: ScalarType.Float32), ScalarType.Float32);
        layer.to(ScalarType.BFloat16);

        using var output = layer.forward(Make.Normal(3, ScalarType.BFloat16, 9, 4));

        output.dtype.Should().Be(ScalarType.BFloat16);
        layer.Network.Weight.dtype.Should().Be(ScalarType.Float32);
        ((MixtureOfExperts)layer.Experts[1]).Network.Weight.dtype.Should().Be(ScalarType.Float32);
        layer.Invoking(l => l.forward(Make.Normal(3, ScalarType.Float32, 9, 4))).Should().Throw<ArgumentException>()
            .WithMessage("Expected input of type BFloat16, as experts.0 is, got Float32.*");
    }

    [Fact]
    public void The_gate_of_an_inner_mixture_of_rules_does_not_tell_the_type_of_its_rows()
    {
        using var scope = NewDisposeScope();
        using var layer = Nested(
            new MixtureOfExperts(new GatingNetwork(Inner), [new ZeroExpert(4, 4), new IdentityExpert(4)]), ScalarType.BFloat16);

        layer.forward(Make.Normal(3, ScalarType.BFloat16, 9, 4)).dtype.Should().Be(ScalarType.BFloat16);
    }

    [Fact]
    public void A_rule_that_hands_a_pass_on_stays_a_constant()
    {
        using var scope = NewDisposeScope();
        using var hidden = Make.Layer(Inner);
        using var layer = Nested(new RoutedRule(hidden));
        using var pass = new RoutingPass();

        layer.forward(Make.Normal(3, 9, 4), pass).sum().backward();

        pass.Layers.Select(routing => routing.Layer).Should().Equal(layer, hidden);
        (hidden.Network.Weight.grad is null).Should().BeTrue();
        layer.named_parameters().Should().HaveCount(3);
    }

    [Fact]
    public void A_wrapped_module_without_mixtures_runs_its_hooks_with_a_pass_too()
    {
        using var scope = NewDisposeScope();
        var wrapper = new ModuleExpert(nn.Linear(4, 4, dtype: ScalarType.Float64), 4, 4);
        var calls = 0;
        wrapper.register_forward_hook((_, _, output) =>
        {
            calls++;
            return output;
        });
        using var layer = Nested(wrapper);
        using var pass = new RoutingPass();

        layer.forward(Make.Normal(3, 9, 4), pass);

        calls.Should().Be(1);
        pass.Layers.Should().ContainSingle();
    }

    [Fact]
    public void A_wrapper_refuses_what_it_cannot_hand_on()
    {
        using var scope = NewDisposeScope();
        var inner = Make.Layer(Inner);
        var wrapper = new ModuleExpert(inner, 4, 4);
        using var pass = new RoutingPass();
        using var linear = new ModuleExpert(nn.Linear(4, 4, dtype: ScalarType.Float64), 4, 4);
        var x = Make.Normal(1, 3, 4);

        wrapper.Invoking(w => w.forward(x, null!)).Should().Throw<ArgumentNullException>().WithParameterName("pass");
        wrapper.Invoking(w => w.forward(null!, pass)).Should().Throw<ArgumentNullException>().WithParameterName("input");
        wrapper.Invoking(w => w.forward(Make.Normal(1, 3, 5), pass)).Should().Throw<ArgumentException>().WithMessage("Expected input of shape [*, 4], got [3, 5].*");
        Compare.SameBits(linear.forward(x, pass), linear.forward(x));
        pass.Layers.Should().BeEmpty();
        wrapper.Dispose();
        wrapper.Invoking(w => w.forward(x, pass)).Should().Throw<ObjectDisposedException>();
        inner.Invoking(i => i.forward(x)).Should().Throw<ObjectDisposedException>();
    }

    /// <summary>A layer of a linear expert, the given one and the identity.</summary>
    private static MixtureOfExperts Nested(IExpert expert, ScalarType type = ScalarType.Float64) => Make.Filled(
        new MixtureOfExperts(new GatingNetwork(Outer, dtype: type), [new LinearExpert(4, 4, dtype: type), expert, new IdentityExpert(4)]), 7);

    private sealed class RoutedExpert : nn.Module<Tensor, Tensor>, IExpert, IRoutedModule
    {
        private readonly MixtureOfExperts _inner;

        public RoutedExpert(MixtureOfExperts inner)
            : base(nameof(RoutedExpert))
        {
            _inner = inner;
            RegisterComponents();
        }

        public long InputWidth => 4;

        public long OutputWidth => 4;

        public override Tensor forward(Tensor input) => _inner.forward(input);

        public Tensor forward(Tensor input, RoutingPass pass) => _inner.forward(input, pass);
    }

    private sealed class RoutedPlainModule : nn.Module, IExpert, IRoutedModule
    {
        private readonly MixtureOfExperts _inner;

        public RoutedPlainModule(MixtureOfExperts inner)
            : base(nameof(RoutedPlainModule))
        {
            _inner = inner;
            RegisterComponents();
        }

        public long InputWidth => 4;

        public long OutputWidth => 4;

        public Tensor forward(Tensor input) => _inner.forward(input);

        public Tensor forward(Tensor input, RoutingPass pass) => _inner.forward(input, pass);
    }

    private sealed class RoutedRule(MixtureOfExperts hidden) : IExpert, IRoutedModule
    {
        public long InputWidth => 4;

        public long OutputWidth => 4;

        public Tensor forward(Tensor input) => hidden.forward(input);

        public Tensor forward(Tensor input, RoutingPass pass) => hidden.forward(input, pass);
    }
}
