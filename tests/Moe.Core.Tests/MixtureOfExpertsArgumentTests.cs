using static TorchSharp.torch;

namespace Moe.Core.Tests;

/// <summary>Everything that a layer can be given wrong, and what it says; the layer works afterwards, and nothing was taken over.</summary>
public sealed class MixtureOfExpertsArgumentTests
{
    [Fact]
    public void Gate_and_experts_must_be_there()
    {
        using var gate = new GatingNetwork(Make.Options(experts: 1, topK: 1));

        FluentActions.Invoking(() => new MixtureOfExperts(null!, [])).Should().Throw<ArgumentNullException>().WithParameterName("gate");
        FluentActions.Invoking(() => new MixtureOfExperts(gate, null!)).Should().Throw<ArgumentNullException>().WithParameterName("experts");
        FluentActions.Invoking(() => new MixtureOfExperts(gate, [])).Should().Throw<ArgumentException>()
            .WithMessage("The list of experts is not valid: The gate chooses among 1 experts, but there are 0.*");
    }

    [Fact]
    public void All_experts_that_do_not_fit_are_named_in_one_message()
    {
        using var gate = new GatingNetwork(Make.Options(experts: 4));
        using var gone = new LinearExpert(4, 4);
        using var linear = new LinearExpert(4, 4);
        using var wide = new LinearExpert(5, 4);
        gone.Dispose();

        FluentActions.Invoking(() => new MixtureOfExperts(gate, [linear, wide, null!, new ZeroExpert(4, 3), gone], [linear, new ZeroExpert(4, 2), null!]))
            .Should().Throw<ArgumentException>().WithParameterName("experts").WithMessage(
                "The list of experts is not valid: The gate chooses among 4 experts, but there are 5. "
                + "Expert 1 (LinearExpert) takes rows of width 5, the gate of width 4. "
                + "Expert 2 is null. "
                + "Expert 3 (ZeroExpert) gives rows of width 3, expert 0 of width 4. "
                + "Expert 4 (LinearExpert) has been disposed, or taken over by another layer. "
                + "Shared expert 1 (ZeroExpert) gives rows of width 2, expert 0 of width 4. "
                + "Shared expert 2 is null. "
                + "The same LinearExpert is there 2 times. (Parameter 'experts')");
        using var x = ones(2, 4);
        using var still = linear.forward(x);
        using var again = gate.Route(x);
    }

    public static TheoryData<string, Func<IExpert>> Modules() => new()
    {
        { "LinearExpert", () => new LinearExpert(4, 4) },
        { "Slice", () => StackedExperts.Linear(1, 4, 4)[0] },
        { "ConstantExpert", () => new ConstantExpert(4, ones(4)) },
        { "IdentityExpert", () => new IdentityExpert(4) },
        { "ModuleExpert", () => new ModuleExpert(nn.Tanh(), 4, 4) },
        { "MixtureOfExperts", () => new MixtureOfExperts(new GatingNetwork(Make.Options(experts: 1, topK: 1)), [new ZeroExpert(4, 4)]) },
    };

    [Theory]
    [MemberData(nameof(Modules))]
    public void A_disposed_expert_is_refused_by_name(string name, Func<IExpert> make)
    {
        using var scope = NewDisposeScope();
        using var gate = new GatingNetwork(Make.Options(experts: 1, topK: 1));
        var expert = make();
        if (expert is StackedExperts.Slice slice)
            slice.Stack.Dispose();
        else
            ((IDisposable)expert).Dispose();

        FluentActions.Invoking(() => new MixtureOfExperts(gate, [expert])).Should().Throw<ArgumentException>()
            .WithMessage($"*Expert 0 ({name}) has been disposed, or taken over by another layer.*");
    }

    [Fact]
    public void A_disposed_gate_is_refused()
    {
        var gate = new GatingNetwork(Make.Options(experts: 1, topK: 1));
        gate.Dispose();

        FluentActions.Invoking(() => new MixtureOfExperts(gate, [new ZeroExpert(4, 4)])).Should().Throw<ArgumentException>()
            .WithMessage("The list of experts is not valid: The gate has been disposed.*");
    }

    [Fact]
    public void A_rule_may_stand_in_several_places()
    {
        var rule = new ZeroExpert(4, 4);
        using var gate = new GatingNetwork(Make.Options(experts: 2));
        using var layer = new MixtureOfExperts(gate, [rule, rule], [rule]);
        using var x = ones(2, 4);
        using var output = layer.forward(x);

        Compare.Doubles(output).Should().OnlyContain(value => value == 0);
    }

    [Fact]
    public void Wrong_tokens_are_refused_on_every_way_and_the_layer_works_on()
    {
        using var scope = NewDisposeScope();
        using var layer = Make.Layer(Make.Options(), shared: 1);
        using var pass = new RoutingPass();
        var x = Make.Normal(1, 3, 4);
        using var before = layer.forward(x);
        var gone = Make.Normal(1, 3, 4);
        gone.Dispose();
        var nan = Make.Normal(1, 3, 4);
        nan[2][0].fill_(double.NaN);
        Func<Tensor, Tensor>[] ways = [layer.forward, input => layer.forward(input, pass), input => layer.ForwardWithRouting(input).Output];

        foreach (var way in ways)
        {
            way.Invoking(f => f(null!)).Should().Throw<ArgumentNullException>().WithParameterName("input");
            way.Invoking(f => f(gone)).Should().Throw<ObjectDisposedException>();
            way.Invoking(f => f(Make.Normal(1, 3, 3))).Should().Throw<ArgumentException>().WithMessage("Expected input of shape [*, 4], got [3, 3].*");
            way.Invoking(f => f(zeros(0, 4, dtype: ScalarType.Float64))).Should().Throw<ArgumentException>().WithMessage("*at least 1 token, got shape [0, 4]*");
            way.Invoking(f => f(ones(3, 4, dtype: ScalarType.Int64))).Should().Throw<ArgumentException>().WithMessage("*got Int64.*");
            way.Invoking(f => f(Make.Normal(1, ScalarType.Float32, 3, 4))).Should().Throw<ArgumentException>()
                .WithMessage("Expected input of type Float64, as experts.0 is, got Float32.*").WithParameterName("input");
            way.Invoking(f => f(nan)).Should().Throw<NonFiniteRoutingException>().Which.Gate.Should().BeSameAs(layer.Gate);
        }

        pass.Layers.Should().BeEmpty();
        Compare.SameBits(layer.forward(x), before);
    }

    [Fact]
    public void Shared_experts_of_another_type_are_named()
    {
        using var layer = new MixtureOfExperts(new GatingNetwork(Make.Options(experts: 1, topK: 1)), [new ZeroExpert(4, 4)], [new LinearExpert(4, 4)]);
        using var x = Make.Normal(1, 3, 4);

        layer.Invoking(l => l.forward(x)).Should().Throw<ArgumentException>().WithMessage("Expected input of type Float32, as shared_experts.0 is, got Float64.*");
    }

    [Fact]
    public void A_mask_that_does_not_fit_is_refused_on_every_way()
    {
        using var scope = NewDisposeScope();
        using var layer = Make.Layer(Make.Options());
        var x = Make.Normal(1, 3, 4);
        using var pass = new RoutingPass(ones(4, dtype: ScalarType.Bool));

        layer.Invoking(l => l.forward(x, pass)).Should().Throw<ArgumentException>().WithMessage("Expected mask of shape [3], got [4].*");
        layer.Invoking(l => l.ForwardWithRouting(x, ones(3))).Should().Throw<ArgumentException>().WithMessage("Expected mask of type Bool*got Float32.*");
        pass.Layers.Should().BeEmpty();
    }

    [Fact]
    public void A_disposed_layer_says_so_on_every_way()
    {
        using var x = Make.Normal(1, 3, 4);
        using var pass = new RoutingPass();
        var layer = Make.Layer(Make.Options());
        layer.Dispose();

        layer.Invoking(l => l.forward(x)).Should().Throw<ObjectDisposedException>();
        layer.Invoking(l => l.forward(x, pass)).Should().Throw<ObjectDisposedException>();
        layer.Invoking(l => l.ForwardWithRouting(x)).Should().Throw<ObjectDisposedException>();
        layer.Invoking(l => ((IExpert)l).forward(x)).Should().Throw<ObjectDisposedException>();
    }
}
