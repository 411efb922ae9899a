using static TorchSharp.torch;

namespace Moe.Core.Tests;

/// <summary>New experts: copies share the tokens of their source, fresh ones disturb nobody at first.</summary>
public sealed class ExpertAdditionTests
{
    private static readonly ExpertAdditionOptions Exact = new() { ExpertNoise = 0, GateNoise = 0 };

    [Theory]
    [InlineData(1, ScalarType.Float32, false)]
    [InlineData(2, ScalarType.Float64, false)]
    [InlineData(3, ScalarType.Float64, true)]
    [InlineData(4, ScalarType.Float32, true)]
    public void Fresh_experts_that_are_not_chosen_leave_the_output_as_it_was(int seed, ScalarType type, bool selectionBias)
    {
        using var scope = NewDisposeScope();
        using var generator = new Generator(5);
        using var layer = Make.Layer(
            Make.Options(experts: 5) with { SelectionBias = selectionBias, Score = selectionBias ? ScoreFunction.Sigmoid : ScoreFunction.Softmax, Renormalize = selectionBias }, seed, type, shared: 1);
        var x = Operating.WholeNumbers(layer, seed + 50, type, 500);
        var before = Operating.Copy(layer);

        var result = ExpertAddition.AddFresh(layer, 2, new() { Start = selectionBias ? null : -1000 }, generator: generator, probe: x);
        using var made = result.Layer;

        result.Sources.Should().Equal(0, 1, 2, 3, 4, -1, -1);
        result.NewIndices.Should().Equal(0, 1, 2, 3, 4);
        result.Preservation!.ReroutedTokens.Should().Be(0);
        result.Preservation.IsExact.Should().BeTrue();
        made.Gate.ExpertCount.Should().Be(7);
        made.forward(x).shape.Should().Equal(500, 4);
        Compare.Distance(((StackedExperts.Slice)made.Experts[5]).forward(x), zeros(500, 4)).Should().Be(0, "it answers zero");
        Operating.Weights(made, 5)["up_weight"].abs().max().to(ScalarType.Float64).item<double>().Should().BeInRange(0.1, 0.5);
        Compare.Distance(Operating.Weights(made, 6)["up_weight"], Operating.Weights(made, 5)["up_weight"]).Should().BePositive();
        Operating.ShouldBeUnchanged(layer, before);
    }

    [Fact]
    public void Where_a_fresh_expert_is_kept_from_being_chosen_depends_on_what_the_gate_has()
    {
        using var scope = NewDisposeScope();
        using var both = Make.Layer(Make.Options() with { Bias = true, SelectionBias = true });
        using var bias = Make.Layer(Make.Options() with { Bias = true });
        using var neither = Make.Layer(Make.Options());
        using (no_grad())
        {
            both.Network.SelectionBias!.copy_(tensor(new[] { 1, -2, 0.5, 0 }));
            bias.Network.Bias!.copy_(tensor(new[] { 1, -2, 0.5, 0 }));
        }

        using var one = ExpertAddition.AddFresh(both, 1).Layer;
        using var two = ExpertAddition.AddFresh(bias, 1).Layer;
        using var three = ExpertAddition.AddFresh(neither, 1).Layer;
        using var given = ExpertAddition.AddFresh(bias, 1, new() { Start = -0.25 }).Layer;

        Compare.Doubles(one.Network.SelectionBias!).Should().Equal(1, -2, 0.5, 0, -3);
        one.Network.Bias![4].item<double>().Should().Be(0);
        Compare.Doubles(two.Network.Bias!).Should().Equal(1, -2, 0.5, 0, -12);
        Compare.Doubles(three.Network.Bias!).Should().Equal(0, 0, 0, 0, -10);
        Compare.Doubles(given.Network.Bias!).Should().Equal(1, -2, 0.5, 0, -0.25);
        one.Network.Weight[4].abs().max().item<double>().Should().Be(0);
    }

    [Fact]
    public void A_fresh_expert_learns_as_soon_as_it_is_chosen()
    {
        using var scope = NewDisposeScope();
        using var layer = Make.Layer(Make.Options(experts: 3, topK: 3));
        using var made = ExpertAddition.AddFresh(layer, 1, new() { Start = 0 }, topK: 4).Layer;
        var before = Operating.Weights(made, 3);

        Operating.Backward(made, Make.Normal(3, 90, 4));
        var gradient = made.get_parameter("experts.0.down_weight")!.grad![3];
        using var optimizer = optim.SGD(made.parameters(), 0.1);
        optimizer.step();
        Operating.Backward(made, Make.Normal(4, 90, 4));

        gradient.abs().max().item<double>().Should().BePositive();
        made.get_parameter("experts.0.up_weight")!.grad![3].abs().max().item<double>().Should().BePositive();
        made.Network.Weight.grad![3].abs().max().item<double>().Should().BePositive();
        Compare.Distance(Operating.Weights(made, 3)["down_weight"], before["down_weight"]).Should().BePositive();
        made.parameters().Should().OnlyContain(parameter => parameter.is_leaf && parameter.requires_grad);
    }

    [Fact]
    public void Beside_frozen_experts_new_ones_learn_and_no_others()
    {
        using var scope = NewDisposeScope();
        using var layer = Make.Layer(Make.Options(experts: 3), shared: 1);
        using var frozen = ExpertFreezing.Freeze(layer, [0, 1, 2]).Layer;

        foreach (var made in new[] { ExpertAddition.AddFresh(frozen, 2).Layer, ExpertAddition.AddCopies(frozen, [1, 1]).Layer })
        {
            made.get_parameter("experts.0.up_weight")!.requires_grad.Should().BeFalse();
            made.get_parameter("experts.0.up_weight")!.size(0).Should().Be(3);
            made.get_parameter("experts.3.up_weight")!.requires_grad.Should().BeTrue();
            made.get_parameter("experts.3.up_weight")!.size(0).Should().Be(2);
            made.Network.Weight.requires_grad.Should().BeTrue();
            made.Dispose();
        }
    }

    [Theory]
    [InlineData(1, ScalarType.Float32, 1e-6)]
    [InlineData(2, ScalarType.Float64, 1e-14)]
    public void With_one_expert_a_token_exact_copies_leave_the_output_as_it_was(int seed, ScalarType type, double tolerance)
    {
        using var scope = NewDisposeScope();
        using var layer = Make.Layer(Make.Options(experts: 3, topK: 1) with { Bias = true, SelectionBias = true, Noise = new LearnedNoise() }, seed, type);
        layer.eval();

        var result = ExpertAddition.AddCopies(layer, [2, 0, 2], Exact, probe: Make.Normal(seed + 9, type, 70, 4));
        using var made = result.Layer;

        result.Sources.Should().Equal(0, 1, 2, 2, 0, 2);
        result.Preservation!.LargestChange.Should().BeLessThan(tolerance);
        foreach (var (name, value) in made.Gate.state_dict())
            Compare.SameBits(value[4], value[0], name);
        foreach (var (name, value) in Operating.Weights(made, 5))
            Compare.SameBits(value, Operating.Weights(layer, 2)[name], name);
    }

    [Theory]
    [InlineData(SoftmaxOrder.AfterSelection)]
    [InlineData(SoftmaxOrder.BeforeSelection)]
    public void With_dense_routing_copies_that_split_the_share_leave_the_output_as_it_was(SoftmaxOrder order)
    {
        using var scope = NewDisposeScope();
        using var layer = Make.Layer(Make.Options(experts: 3, topK: 3) with { Softmax = order });
        var x = Make.Normal(5, 60, 4);

        var split = ExpertAddition.AddCopies(layer, [1, 1, 2], Exact with { SplitShare = true }, topK: 6, probe: x);
        var whole = ExpertAddition.AddCopies(layer, [1, 1, 2], Exact, topK: 6, probe: x);

        split.Preservation!.LargestChange.Should().BeLessThan(1e-14);
        whole.Preservation!.LargestChange.Should().BeGreaterThan(1e-3);
        Compare.Close(split.Layer.Network.Bias!, tensor(new[] { 0, -Math.Log(3), -Math.Log(2), -Math.Log(3), -Math.Log(3), -Math.Log(2) }), 1e-15);
        split.Layer.Dispose();
        whole.Layer.Dispose();
    }

    [Fact]
    public void Noise_tells_copies_apart_and_a_seed_gives_the_same_again()
    {
        using var scope = NewDisposeScope();
        using var layer = Make.Layer(Make.Options(experts: 3, topK: 1));
        MixtureOfExperts Added(ulong seed)
        {
            using var generator = new Generator(seed);
            return ExpertAddition.AddCopies(layer, [1], generator: generator).Layer;
        }
        using var first = Added(1);
        using var second = Added(1);
        using var other = Added(2);

        foreach (var (name, value) in first.state_dict())
            Compare.SameBits(second.state_dict()[name], value, name);
        Compare.Distance(other.Network.Weight, first.Network.Weight).Should().BePositive();
        Compare.SameBits(first.Network.Weight.narrow(0, 0, 3), layer.Network.Weight);
        Compare.Distance(first.Network.Weight[3], layer.Network.Weight[1]).Should().BeInRange(1e-4, 0.05);
        foreach (var (name, value) in Operating.Weights(first, 3))
            Compare.Distance(value, Operating.Weights(layer, 1)[name]).Should().BeInRange(1e-4, 0.05, name);
        var load = first.ForwardWithRouting(Make.Normal(4, 300, 4)).Routing.Load;
        load[1].Should().BePositive();
        load[3].Should().BePositive();
    }

    [Fact]
    public void The_busiest_are_copied_by_how_much_each_has_left_to_share()
    {
        using var scope = NewDisposeScope();
        using var layer = Make.Layer(Make.Options(experts: 3, topK: 1));

        var result = ExpertAddition.AddCopiesOfBusiest(layer, 3, RoutingReport.FromCounts([25, 60, 3], [25, 60, 3], 88, 1));

        result.Sources.Should().Equal(0, 1, 2, 1, 1, 0);
        result.Layer.Dispose();
    }

    [Fact]
    public void New_experts_stand_before_null_experts_and_at_the_end_of_their_groups()
    {
        using var scope = NewDisposeScope();
        using var nulls = new MixtureOfExperts(
            Make.Gate(Make.Options(experts: 4, topK: 1) with { NullExperts = 2 }), [.. StackedExperts.Linear(2, 4, 4, dtype: ScalarType.Float64), new ZeroExpert(4, 4), new ZeroExpert(4, 4)]);
        using var groups = Make.Layer(Make.Options(experts: 4) with { Selection = new GroupLimitedSelection { Groups = 2, KeptGroups = 1 } });
        var x = Make.Normal(3, 50, 4);

        var before = ExpertAddition.AddCopies(nulls, [0], Exact, probe: x);
        before.Sources.Should().Equal(0, 1, 0, 2, 3);
        before.NewIndices.Should().Equal(0, 1, 3, 4);
        before.Preservation!.LargestChange.Should().BeLessThan(1e-14);
        before.Layer.Gate.NullExpertCount.Should().Be(2);
        before.Layer.Dispose();

        var inGroups = ExpertAddition.AddCopies(groups, [3, 0]);
        inGroups.Sources.Should().Equal(0, 1, 0, 2, 3, 3);
        inGroups.NewIndices.Should().Equal(0, 1, 3, 4);
        inGroups.Layer.Dispose();
        var fresh = ExpertAddition.AddFresh(groups, 2, new() { Start = -100 }, probe: x);
        fresh.Sources.Should().Equal(0, 1, -1, 2, 3, -1);
        fresh.Layer.Dispose();
        groups.Invoking(l => ExpertAddition.AddCopies(l, [0, 1])).Should().Throw<ArgumentException>().WithMessage("*Selection.Groups (2)*as many*");
        groups.Invoking(l => ExpertAddition.AddFresh(l, 1)).Should().Throw<ArgumentException>().WithMessage("*multiple of the number of groups (2), got 1*");
    }

    [Fact]
    public void What_does_not_fit_is_refused()
    {
        using var scope = NewDisposeScope();
        using var layer = Make.Layer(Make.Options(experts: 3));
        using var sigmoid = Make.Layer(Make.Options() with { Score = ScoreFunction.Sigmoid });
        using var rules = new MixtureOfExperts(Make.Gate(Make.Options(experts: 2)), [new ThirdOfSum(), new ThirdOfSum()]);

        layer.Invoking(l => ExpertAddition.AddCopies(l, [])).Should().Throw<ArgumentException>().WithMessage("*1 expert or more*");
        layer.Invoking(l => ExpertAddition.AddCopies(l, [3])).Should().Throw<ArgumentException>().WithMessage("*0 to 2, got [3]*");
        layer.Invoking(l => ExpertAddition.AddCopies(l, [0], topK: 5)).Should().Throw<ArgumentException>().WithMessage("*TopK (5)*ExpertCount (4)*");
        layer.Invoking(l => ExpertAddition.AddCopies(l, [0], new() { ExpertNoise = -1, GateNoise = double.NaN, Start = double.NegativeInfinity }))
            .Should().Throw<ArgumentException>().WithMessage("*ExpertNoise (-1)*GateNoise (NaN)*Start (-*");
        layer.Invoking(l => ExpertAddition.AddFresh(l, 0)).Should().Throw<ArgumentException>().WithMessage("*1 expert or more*got 0*");
        sigmoid.Invoking(l => ExpertAddition.AddCopies(l, [0], new() { SplitShare = true })).Should().Throw<ArgumentException>().WithMessage("*Score (Sigmoid) must be Softmax*");
        rules.Invoking(l => ExpertAddition.AddFresh(l, 1)).Should().Throw<ArgumentException>().WithMessage("*expert 0 is a ThirdOfSum*");
    }

    [Fact]
    public void Only_the_new_layer_is_left_alive()
    {
        using var layer = Make.Layer(Make.Options(experts: 3), shared: 1);
        using var generator = new Generator(5);
        using var x = Make.Normal(3, 20, 4);
        LiveTensors.After(() => ExpertAddition.AddCopies(layer, [0], new() { SplitShare = true }, null, generator, x).Layer.Dispose()).Should().Be(0);
        LiveTensors.After(() => ExpertAddition.AddFresh(layer, 2, generator: generator, probe: x).Layer.Dispose()).Should().Be(0);
    }
}
