using static TorchSharp.torch;

namespace Moe.Core.Tests;

/// <summary>Equal experts share one tensor; nobody notices but the clock.</summary>
public sealed class StackedExpertsTests
{
    [Fact]
    public void Equal_experts_are_stacked_and_keep_their_numbers()
    {
        using var scope = NewDisposeScope();
        var singles = Enumerable.Range(1, 3).Select(seed => Make.Filled(Single(), seed)).ToArray();
        var copies = Enumerable.Range(1, 3).Select(seed => Make.Filled(Single(), seed)).ToArray();
        using var layer = Layer([.. singles]);
        var x = Make.Normal(1, 5, 4);

        Keys(layer).Should().Equal("experts.0.up_weight", "experts.0.down_weight", "experts.0.up_bias", "experts.0.down_bias", "gate.weight");
        layer.get_parameter("experts.0.up_weight")!.shape.Should().Equal(3, 6, 4);
        for (var e = 0; e < 3; e++)
            Compare.SameBits(layer.Experts[e].forward(x), copies[e].forward(x));
        singles.Should().AllSatisfy(single => single.Invoking(s => s.forward(x)).Should().Throw<ObjectDisposedException>());
    }

    [Fact]
    public void A_layer_of_stacked_experts_gives_what_the_same_experts_give_unstacked()
    {
        using var scope = NewDisposeScope();
        using var stacked = Layer([.. Enumerable.Range(1, 3).Select(seed => Make.Filled(Single(), seed))]);
        using var apart = Layer([.. Enumerable.Range(1, 3).Select(seed => new ModuleExpert(Make.Filled(Single(), seed), 4, 4))]);
        using (no_grad())
            apart.Network.Weight.copy_(Make.Filled(stacked.Network, 5).Weight);
        var x = Make.Normal(1, 20, 4);

        Compare.SameBits(stacked.forward(x), apart.forward(x));
        var ours = Make.Gradients(stacked, x, stacked.forward);
        var theirs = Make.Gradients(apart, x, apart.forward);
        Compare.Close(ours["input"], theirs["input"], 1e-12);
        foreach (var name in new[] { "up_weight", "down_weight", "up_bias", "down_bias" })
            Compare.Close(ours[$"experts.0.{name}"], stack(Enumerable.Range(0, 3).Select(e => theirs[$"experts.{e}.module.{name}"])), 1e-12);
    }

    [Fact]
    public void Experts_that_differ_in_anything_stay_apart()
    {
        using var frozen = Single();
        foreach (var parameter in frozen.parameters())
            parameter.requires_grad = false;
        using var layer = Layer(
        [
            Single(),
            new FeedForwardExpert(Make.FeedForward() with { HiddenWidth = 7 }, dtype: ScalarType.Float64),
            new FeedForwardExpert(Make.FeedForward() with { Bias = false }, dtype: ScalarType.Float64),
            new FeedForwardExpert(Make.FeedForward() with { Activation = Activation.Relu }, dtype: ScalarType.Float64),
            new FeedForwardExpert(Make.FeedForward(), dtype: ScalarType.Float32),
            new FeedForwardExpert(Make.FeedForward(), dtype: ScalarType.Float64, device: META),
            frozen,
        ]);

        layer.Experts.Should().AllBeOfType<FeedForwardExpert>();
        Keys(layer).Should().HaveCount(27).And.Contain("experts.6.up_weight");
    }

    [Fact]
    public void Frozen_experts_are_stacked_frozen()
    {
        var experts = new[] { Single(), Single() };
        foreach (var parameter in experts.SelectMany(expert => expert.parameters()))
            parameter.requires_grad = false;
        using var layer = Layer([.. experts]);

        layer.named_parameters().Where(pair => pair.parameter.requires_grad).Select(pair => pair.name).Should().Equal("gate.weight");
        layer.Experts.Should().NotContain(expert => expert is FeedForwardExpert);
    }

    [Fact]
    public void A_stack_shows_its_experts_one_by_one()
    {
        using var stack = StackedExperts.GatedFeedForward(3, new() { InputWidth = 4, HiddenWidth = 2, Bias = true });

        stack.Count.Should().Be(3);
        stack.Should().HaveCount(3);
        stack[2].Should().BeSameAs(stack.ElementAt(2));
        stack.Invoking(s => s[3]).Should().Throw<ArgumentOutOfRangeException>();
        stack.Invoking(s => s[-1]).Should().Throw<ArgumentOutOfRangeException>();
        var enumerator = ((System.Collections.IEnumerable)stack).GetEnumerator();
        enumerator.MoveNext().Should().BeTrue();
        enumerator.Current.Should().BeSameAs(stack[0]);
        stack.state_dict().Keys.Should().Equal("gate_up_weight", "down_weight", "gate_up_bias", "down_bias");
        stack.Dispose();
        using var x = Make.Normal(1, ScalarType.Float32, 1, 4);
        stack[0].Invoking(e => e.forward(x)).Should().Throw<ObjectDisposedException>();
    }

    [Fact]
    public void A_fresh_stack_begins_as_single_experts_do()
    {
        using var generator = new Generator(1);
        using var stack = StackedExperts.Linear(20, 16, 8, generator: generator);

        Compare.Doubles(stack.get_parameter("weight")!).Should().OnlyContain(value => Math.Abs(value) <= 0.25).And.Contain(value => Math.Abs(value) > 0.24);
        Compare.Doubles(stack.get_parameter("bias")!).Should().OnlyContain(value => value == 0);
    }

    [Fact]
    public void A_layer_takes_all_of_a_stack_or_nothing()
    {
        using var stack = StackedExperts.Linear(3, 4, 4);
        using var gate = new GatingNetwork(Make.Options(experts: 2));

        FluentActions.Invoking(() => new MixtureOfExperts(gate, stack.Take(2))).Should().Throw<ArgumentException>()
            .WithMessage("The list of experts is not valid: A stack of 3 experts must be given whole, but 2 of it are there.*");
        FluentActions.Invoking(() => new MixtureOfExperts(gate, [stack[0], stack[0]])).Should().Throw<ArgumentException>()
            .WithMessage("*The same Slice is there 2 times.*");
        using var x = Make.Normal(1, ScalarType.Float32, 1, 4);
        using var alive = stack[0].forward(x);
    }

    [Fact]
    public void Slices_may_be_given_in_any_order_beside_others()
    {
        using var scope = NewDisposeScope();
        var stack = Make.Filled(StackedExperts.Linear(2, 4, 4, dtype: ScalarType.Float64), 3);
        using var layer = Make.Filled(
            new MixtureOfExperts(new GatingNetwork(Make.Options(experts: 3), dtype: ScalarType.Float64), [stack[1], new IdentityExpert(4), stack[0]]), 3);
        var (weight, bias) = (layer.get_parameter("experts.0.weight")!, layer.get_parameter("experts.0.bias")!);
        var x = Make.Normal(1, 10, 4);

        var expected = Textbook.Mixture(
            x, layer.Network.Weight, null, [row => row.matmul(weight[1].t()) + bias[1], row => row, row => row.matmul(weight[0].t()) + bias[0]], Make.Options(experts: 3));
        Compare.Close(layer.forward(x), expected, 1e-12);
    }

    private static FeedForwardExpert Single() => new(Make.FeedForward(), dtype: ScalarType.Float64);

    private static MixtureOfExperts Layer(params IExpert[] experts) =>
        new(new GatingNetwork(Make.Options(experts.Length), dtype: ScalarType.Float64), experts);

    private static string[] Keys(nn.Module module) => [.. module.state_dict().Keys];
}
