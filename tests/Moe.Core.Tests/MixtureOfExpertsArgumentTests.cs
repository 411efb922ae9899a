using static TorchSharp.torch;

namespace Moe.Core.Tests;

/// <summary>Every argument wrong in every way: a clear exception, and the layer works on.</summary>
public sealed class MixtureOfExpertsArgumentTests
{
    public static TheoryData<string, Type, string, Func<Tensor>> WrongInputs() => new()
    {
        { "null", typeof(ArgumentNullException), "*input*", () => null! },
        { "disposed", typeof(ObjectDisposedException), "The tensor given as input has been disposed.*", Disposed },
        { "too wide", typeof(ArgumentException), "Expected input of shape [*, 4], got [3, 5].*", () => Make.Normal(1, 3, 5) },
        { "no dimension", typeof(ArgumentException), "Expected input of shape [*, 4], got [].*", () => tensor(1.0) },
        { "whole numbers", typeof(ArgumentException), "Expected input of type Float32, Float64, BFloat16 or Float16, got Int64.*", () => ones(3, 4, dtype: ScalarType.Int64) },
        { "booleans", typeof(ArgumentException), "*got Bool.*", () => ones(3, 4, dtype: ScalarType.Bool) },
        { "complex", typeof(ArgumentException), "*got ComplexFloat64.*", () => ones(3, 4, dtype: ScalarType.ComplexFloat64) },
        { "no token", typeof(ArgumentException), "Expected input with at least 1 token, got shape [0, 4], which has none.*", () => zeros(0, 4, dtype: ScalarType.Float64) },
        { "an empty batch", typeof(ArgumentException), "*got shape [2, 0, 4], which has none.*", () => zeros(2, 0, 4, dtype: ScalarType.Float64) },
        { "another device", typeof(ArgumentException), "Expected input on device cpu, where the gate is, got meta*", () => zeros(3, 4, dtype: ScalarType.Float64, device: META) },
        { "NaN", typeof(NonFiniteRoutingException), "The gate's logits must be finite, but 4 of 3 × 4 (tokens × experts) are NaN or infinite.*", () => With(double.NaN) },
        { "infinity", typeof(NonFiniteRoutingException), "*must be finite, but 4 of 3 × 4*", () => With(double.PositiveInfinity) },
    };

    [Theory]
    [MemberData(nameof(WrongInputs))]
    public void Wrong_input_is_refused_everywhere_and_changes_nothing(string what, Type type, string message, Func<Tensor> make)
    {
        using var scope = NewDisposeScope();
        using var layer = Make.Layer(Make.Options(), shared: 1);
        using var pass = new RoutingPass();
        var good = Make.Normal(1, 3, 4);
        var before = layer.forward(good);
        var wrong = make();

        Action[] calls =
        [
            () => layer.forward(wrong), () => layer.forward(wrong, pass), () => layer.ForwardWithRouting(wrong), () => layer.Gate.Route(wrong), () => layer.Gate.forward(wrong),
        ];
        foreach (var call in calls)
            call.Should().Throw<Exception>(what).WithMessage(message).Which.Should().BeOfType(type);

        pass.Layers.Should().BeEmpty();
        Compare.SameBits(layer.forward(good), before);
    }

    public static TheoryData<string, Type, string, Func<Tensor>> WrongMasks() => new()
    {
        { "disposed", typeof(ObjectDisposedException), "The tensor given as mask has been disposed.*", Disposed },
        { "numbers", typeof(ArgumentException), "Expected mask of type Bool (true = a real token), got Int64.*", () => ones(2, 3, dtype: ScalarType.Int64) },
        { "flat", typeof(ArgumentException), "Expected mask of shape [2, 3], got [6].*", () => ones(6, dtype: ScalarType.Bool) },
        { "turned", typeof(ArgumentException), "Expected mask of shape [2, 3], got [3, 2].*", () => ones(3, 2, dtype: ScalarType.Bool) },
        { "as wide as the input", typeof(ArgumentException), "Expected mask of shape [2, 3], got [2, 3, 4].*", () => ones(2, 3, 4, dtype: ScalarType.Bool) },
        { "elsewhere", typeof(ArgumentException), "Expected mask on device cpu, where the input is, got meta*", () => ones(2, 3, dtype: ScalarType.Bool, device: META) },
    };

    [Theory]
    [MemberData(nameof(WrongMasks))]
    public void A_wrong_mask_is_refused_everywhere_and_changes_nothing(string what, Type type, string message, Func<Tensor> make)
    {
        using var scope = NewDisposeScope();
        using var layer = Make.Layer(Make.Options());
        var good = Make.Normal(1, 2, 3, 4);
        var before = layer.forward(good);
        var wrong = make();
        using var pass = new RoutingPass(wrong);

        Action[] calls = [() => layer.ForwardWithRouting(good, wrong), () => layer.Gate.Route(good, wrong), () => layer.forward(good, pass)];
        foreach (var call in calls)
            call.Should().Throw<Exception>(what).WithMessage(message).Which.Should().BeOfType(type);

        Compare.SameBits(layer.forward(good), before);
    }

    [Fact]
    public void Input_of_another_type_than_the_experts_is_refused_by_their_name()
    {
        using var scope = NewDisposeScope();
        using var layer = Make.Layer(Make.Options());
        layer.Invoking(l => l.forward(Make.Normal(1, ScalarType.Float32, 3, 4))).Should().Throw<ArgumentException>()
            .WithMessage("Expected input of type Float64, as experts.0 is, got Float32.*").WithParameterName("input");

        using var mixed = new MixtureOfExperts(
            new GatingNetwork(Make.Options(experts: 2)), StackedExperts.Linear(2, 4, 4), [new IdentityExpert(4), new LinearExpert(4, 4, dtype: ScalarType.BFloat16)]);
        mixed.Invoking(l => l.forward(Make.Normal(1, ScalarType.Float32, 3, 4))).Should().Throw<ArgumentException>()
            .WithMessage("Expected input of type BFloat16, as shared_experts.1 is, got Float32.*");
    }

    [Theory]
    [InlineData("weight")]
    [InlineData("bias")]
    [InlineData("noise_weight")]
    public void A_gate_that_computes_nothing_finite_says_so(string name)
    {
        using var scope = NewDisposeScope();
        using var gate = Make.Gate(Make.Options() with { Bias = true, Noise = new LearnedNoise() });
        using (no_grad())
            gate.get_parameter(name)!.view(-1)[0].fill_(double.NaN);

        gate.Invoking(g => g.Route(Make.Normal(1, 3, 4))).Should().Throw<NonFiniteRoutingException>()
            .WithMessage("The gate's logits must be finite, but 3 of 3 × 4 *").Which.Gate.Should().BeSameAs(gate);
    }

    [Fact]
    public void A_temperature_that_overflows_the_logits_says_so()
    {
        using var scope = NewDisposeScope();
        using var gate = Make.Gate(Make.Options() with { Temperature = 1e-320 });

        gate.Invoking(g => g.Route(Make.Normal(1, 3, 4))).Should().Throw<NonFiniteRoutingException>();
        gate.Temperature = 1;
        gate.Route(Make.Normal(1, 3, 4)).TokenCount.Should().Be(3);
    }

    [Fact]
    public void The_exception_of_bad_logits_has_the_usual_constructors()
    {
        var cause = new InvalidOperationException();

        new NonFiniteRoutingException().Message.Should().Be("The gate's logits must be finite.");
        new NonFiniteRoutingException("mine").Message.Should().Be("mine");
        new NonFiniteRoutingException("mine", cause).InnerException.Should().BeSameAs(cause);
        new NonFiniteRoutingException().Gate.Should().BeNull();
    }

    [Fact]
    public void Gate_and_experts_that_do_not_fit_are_refused_in_one_message_and_nothing_is_taken_over()
    {
        using var scope = NewDisposeScope();
        using var gate = new GatingNetwork(Make.Options(experts: 5));
        using var twice = new LinearExpert(4, 4);
        using var wide = new LinearExpert(5, 4);
        using var narrow = new LinearExpert(4, 3);

        FluentActions.Invoking(() => new MixtureOfExperts(gate, [twice, wide, narrow, null!, new ZeroExpert(4, 4), twice], [null!, new IdentityExpert(3)]))
            .Should().Throw<ArgumentException>().WithParameterName("experts").Which.Message.Should().Be(
                "The list of experts is not valid: The gate chooses among 5 experts, but there are 6. "
                + "Expert 1 (LinearExpert) takes rows of width 5, the gate of width 4. "
                + "Expert 2 (LinearExpert) gives rows of width 3, expert 0 of width 4. Expert 3 is null. "
                + "Shared expert 0 is null. Shared expert 1 (IdentityExpert) takes rows of width 3, the gate of width 4. "
                + "Shared expert 1 (IdentityExpert) gives rows of width 3, expert 0 of width 4. The same LinearExpert is there 2 times. (Parameter 'experts')");
        FluentActions.Invoking(() => new MixtureOfExperts(gate, [])).Should().Throw<ArgumentException>()
            .WithMessage("*The gate chooses among 5 experts, but there are 0.*");
        FluentActions.Invoking(() => new MixtureOfExperts(null!, [])).Should().Throw<ArgumentNullException>();
        FluentActions.Invoking(() => new MixtureOfExperts(gate, null!)).Should().Throw<ArgumentNullException>();
        twice.forward(ones(1, 4)).shape.Should().Equal(1, 4);
        gate.Route(ones(1, 4)).TopK.Should().Be(2);
    }

    [Fact]
    public void A_rule_may_answer_for_several_experts_as_it_holds_nothing()
    {
        using var scope = NewDisposeScope();
        var rule = new ZeroExpert(4, 4);
        using var layer = new MixtureOfExperts(new GatingNetwork(Make.Options(experts: 2)), [rule, rule]);

        Compare.Doubles(layer.forward(ones(2, 4))).Should().OnlyContain(value => value == 0);
    }

    [Fact]
    public void Disposed_gates_experts_and_stacks_are_refused_at_the_door()
    {
        var gate = new GatingNetwork(Make.Options(experts: 4));
        var linear = new LinearExpert(4, 4);
        var stack = StackedExperts.Linear(2, 4, 4);
        var module = new ModuleExpert(nn.Linear(4, 4), 4, 4);
        foreach (var disposable in new IDisposable[] { gate, linear, stack, module })
            disposable.Dispose();

        FluentActions.Invoking(() => new MixtureOfExperts(gate, [linear, .. stack, module])).Should().Throw<ArgumentException>().WithMessage(
            "The list of experts is not valid: The gate has been disposed. Expert 0 (LinearExpert) has been disposed, or taken over by another layer. "
            + "Expert 1 (Slice) has been disposed, or taken over by another layer. Expert 2 (Slice) has been disposed, or taken over by another layer. "
            + "Expert 3 (ModuleExpert) has been disposed, or taken over by another layer.*");
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Parts_disposed_under_a_layer_say_so(bool gate)
    {
        using var scope = NewDisposeScope();
        using var layer = new MixtureOfExperts(new GatingNetwork(Make.Options(experts: 2)), [new LinearExpert(4, 4), new IdentityExpert(4)]);
        (gate ? layer.Gate : (IDisposable)layer.Experts[0]).Dispose();

        layer.Invoking(l => l.forward(ones(3, 4))).Should().Throw<ObjectDisposedException>();
    }

    private static Tensor Disposed()
    {
        var gone = ones(3, 4);
        gone.Dispose();
        return gone;
    }

    private static Tensor With(double value)
    {
        var x = Make.Normal(1, 3, 4);
        x[1][2].fill_(value);
        return x;
    }
}
