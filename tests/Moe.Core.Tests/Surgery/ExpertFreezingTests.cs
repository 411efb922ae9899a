using static TorchSharp.torch;

namespace Moe.Core.Tests;

/// <summary>What is frozen stays where it is, whatever the optimizer does to what has no gradient.</summary>
public sealed class ExpertFreezingTests
{
    [Theory]
    [InlineData("sgd")]
    [InlineData("adam")]
    [InlineData("adamw")]
    public void Frozen_experts_keep_still_in_training_steps_and_the_others_move(string kind)
    {
        using var scope = NewDisposeScope();
        using var layer = Make.Layer(Make.Options(experts: 4), shared: 1);
        using var made = ExpertFreezing.Freeze(layer, [1, 3]).Layer;
        using var optimizer = Optimizer(kind, made);
        var before = Enumerable.Range(0, 4).Select(expert => Operating.Weights(made, expert)).ToArray();
        var gate = made.Network.Weight.detach().clone();

        for (var step = 0; step < 4; step++)
        {
            Operating.Backward(made, Make.Normal(3 + step, 90, 4));
            optimizer.step();
        }

        for (var expert = 0; expert < 4; expert++)
        {
            foreach (var (name, value) in Operating.Weights(made, expert))
            {
                if (expert is 1 or 3)
                    Compare.SameBits(value, before[expert][name], $"{name} of expert {expert}");
                else
                    Compare.Distance(value, before[expert][name]).Should().BePositive("{0} of expert {1} learns", name, expert);
            }
        }
        Compare.Distance(made.Network.Weight, gate).Should().BePositive();
    }

    [Fact]
    public void A_frozen_gate_keeps_still_and_the_experts_move()
    {
        using var scope = NewDisposeScope();
        using var layer = Make.Layer(Make.Options() with { Bias = true });
        using var made = ExpertFreezing.Freeze(layer, [], router: true).Layer;
        using var optimizer = Optimizer("adamw", made);
        var (gate, weights) = (Operating.Copy(made.Gate), Operating.Weights(made, 0));

        Operating.Backward(made, Make.Normal(3, 90, 4));
        optimizer.step();

        Operating.ShouldBeUnchanged(made.Gate, gate);
        Compare.Distance(Operating.Weights(made, 0)["up_weight"], weights["up_weight"]).Should().BePositive();
    }

    [Theory]
    [InlineData(ScalarType.Float32, 1e-6)]
    [InlineData(ScalarType.Float64, 1e-14)]
    public void The_function_stays_and_the_gradients_of_what_learns_too(ScalarType type, double tolerance)
    {
        using var scope = NewDisposeScope();
        foreach (var gated in new[] { false, true })
        {
            var options = Make.Options();
            using var layer = Make.Filled(
                new MixtureOfExperts(
                    new GatingNetwork(options, dtype: type),
                    gated ? StackedExperts.GatedFeedForward(4, new() { InputWidth = 4, HiddenWidth = 6 }, dtype: type) : StackedExperts.FeedForward(4, Make.FeedForward(), dtype: type)), 3);
            var x = Make.Normal(5, type, 60, 4);

            var result = ExpertFreezing.Freeze(layer, [2], probe: x);
            using var made = result.Layer;

            result.Preservation!.LargestChange.Should().BeLessThan(tolerance);
            result.Preservation.ReroutedTokens.Should().Be(0);
            var (now, before) = (Make.Gradients(made, x, made.forward), Make.Gradients(layer, x, layer.forward));
            Compare.Close(now["input"], before["input"], tolerance * 30);
            Compare.Close(now["gate.weight"], before["gate.weight"], tolerance * 100);
            Compare.Close(now["experts.0.down_weight"], before["experts.0.down_weight"].narrow(0, 0, 2), tolerance * 100);
            Compare.Close(now["experts.3.down_weight"], before["experts.0.down_weight"].narrow(0, 3, 1), tolerance * 100);
            now["experts.2.down_weight"].count_nonzero().item<long>().Should().Be(0);
        }
    }

    [Fact]
    public void Unfrozen_experts_lie_in_one_stack_again_and_learn()
    {
        using var scope = NewDisposeScope();
        using var layer = Make.Layer(Make.Options(), shared: 1);
        using var frozen = ExpertFreezing.Freeze(layer, [1, 2], router: true).Layer;
        using var more = ExpertFreezing.Freeze(frozen, [0]).Layer;

        frozen.state_dict().Keys.Should().Contain(["experts.0.up_weight", "experts.1.up_weight", "experts.3.up_weight"]);
        more.state_dict().Keys.Should().Contain(["experts.0.up_weight", "experts.3.up_weight"]).And.NotContain("experts.1.up_weight");
        more.Gate.parameters().Should().OnlyContain(parameter => !parameter.requires_grad, "what was frozen before stays frozen");

        var result = ExpertFreezing.Unfreeze(more, [0, 1, 2], router: true);
        using var made = result.Layer;

        made.parameters().Should().OnlyContain(parameter => parameter.requires_grad);
        made.state_dict().Keys.Should().Equal(layer.state_dict().Keys);
        foreach (var (name, value) in layer.state_dict())
            Compare.SameBits(made.state_dict()[name], value, name);
    }

    [Fact]
    public void Any_gate_that_is_built_in_will_do()
    {
        using var scope = NewDisposeScope();
        var stack = () => StackedExperts.Linear(3, 4, 4, dtype: ScalarType.Float64);
        var options = Make.Options(experts: 3);
        var x = Make.Normal(5, 20, 4);
        using var soft = new MixtureOfExperts(new SoftRouter(new() { InputWidth = 4, ExpertCount = 3, SlotsPerExpert = 2 }, dtype: ScalarType.Float64), stack());
        using var levels = new MixtureOfExperts(Make.Gate(options with { Projection = new TwoLevelProjection { Groups = 3 } }), stack());
        using var table = new MixtureOfExperts(new GatingNetwork(options with { Selection = new TableSelection { VocabularySize = 50 } }, dtype: ScalarType.Float64), stack());

        foreach (var layer in new[] { soft, levels })
        {
            var result = ExpertFreezing.Freeze(layer, [1], probe: x);
            result.Preservation!.LargestChange.Should().BeLessThan(1e-14);
            result.Layer.Dispose();
        }
        using var made = ExpertFreezing.Freeze(table, [1]).Layer;
        Compare.SameBits(made.Network.Table!, table.Network.Table!);
    }

    [Fact]
    public void Single_experts_and_those_inside_mixtures_are_frozen_too()
    {
        using var scope = NewDisposeScope();
        using var layer = Make.Filled(
            new MixtureOfExperts(Make.Gate(Make.Options(experts: 3)), [new LinearExpert(4, 4, dtype: ScalarType.Float64), Make.Layer(Make.Options(experts: 3)), new ConstantExpert(4, ones(4, dtype: ScalarType.Float64))]), 2);

        using var made = ExpertFreezing.Freeze(layer, [0, 1]).Layer;

        made.named_parameters().Where(item => !item.parameter.requires_grad).Select(item => item.name).Should().Equal(
            made.named_parameters().Select(item => item.name).Where(name => name.StartsWith("experts.0", StringComparison.Ordinal) || name.StartsWith("experts.1", StringComparison.Ordinal)));
        made.named_parameters().Count(item => item.parameter.requires_grad).Should().Be(2);
    }

    [Fact]
    public void What_does_not_fit_is_refused_and_only_the_new_layer_is_left_alive()
    {
        using var layer = Make.Layer(Make.Options());
        using var x = Make.Normal(3, 20, 4);
        LiveTensors.After(() => ExpertFreezing.Freeze(layer, [0], router: true, x).Layer.Dispose()).Should().Be(0);
        layer.Invoking(l => ExpertFreezing.Freeze(l, [4])).Should().Throw<ArgumentException>().WithMessage("*0 to 3, got [4]*");
        using var own = new MixtureOfExperts(new FixedRouter(zeros(1, 2)), [new LinearExpert(1, 1), new LinearExpert(1, 1)]);
        own.Invoking(l => ExpertFreezing.Freeze(l, [0])).Should().Throw<ArgumentException>().WithMessage("*gate (FixedRouter) cannot be copied*");
    }

    private static optim.Optimizer Optimizer(string kind, nn.Module layer) => kind switch
    {
        "sgd" => optim.SGD(layer.parameters(), 0.05, momentum: 0.9, weight_decay: 0.1),
        "adam" => optim.Adam(layer.parameters(), 0.05, weight_decay: 0.1),
        _ => optim.AdamW(layer.parameters(), 0.05, weight_decay: 0.1),
    };
}
