using TorchSharp.Utils;
using static TorchSharp.torch;

namespace Moe.Core.Tests;

/// <summary>Experts that were never chosen can go without a trace.</summary>
public sealed class ExpertRemovalTests
{
    [Theory]
    [InlineData(1, ScalarType.Float32)]
    [InlineData(2, ScalarType.Float32)]
    [InlineData(3, ScalarType.Float64)]
    [InlineData(4, ScalarType.Float64)]
    public void Who_was_never_chosen_leaves_the_output_as_it_was(int seed, ScalarType type)
    {
        using var scope = NewDisposeScope();
        using var layer = Operating.WithUnchosen(Make.Options(experts: 6), never: [1, 4], seed, type, shared: 2);
        var x = Operating.WholeNumbers(layer, seed + 50, type, 500);
        var before = Operating.Copy(layer);

        var result = ExpertRemoval.Remove(layer, [4, 1], probe: x);
        using var made = result.Layer;

        result.Sources.Should().Equal(0, 2, 3, 5);
        result.NewIndices.Should().Equal(0, -1, 1, 2, -1, 3);
        result.Preservation!.IsExact.Should().BeTrue();
        result.Preservation.ReroutedTokens.Should().Be(0);
        Compare.SameBits(made.forward(x), layer.forward(x));
        made.Experts.Should().HaveCount(4);
        made.SharedExperts.Should().HaveCount(2);
        made.Network.Options.Should().Be(layer.Network.Options with { ExpertCount = 4 });
        Operating.ShouldBeUnchanged(layer, before);
    }

    [Theory]
    [InlineData("sigmoid with a selection bias", true)]
    [InlineData("softmax after selection", true)]
    [InlineData("softmax before selection, normalised", true)]
    [InlineData("softmax before selection", false)]
    public void To_tokens_that_chose_others_weights_that_depend_on_the_chosen_alone_stay(string kind, bool stays)
    {
        using var scope = NewDisposeScope();
        var options = Make.Options(experts: 6);
        using var layer = Make.Layer(kind switch
        {
            "sigmoid with a selection bias" => options with { Score = ScoreFunction.Sigmoid, Renormalize = true, SelectionBias = true, ScalingFactor = 2.5 },
            "softmax after selection" => options,
            "softmax before selection, normalised" => options with { Softmax = SoftmaxOrder.BeforeSelection, Renormalize = true },
            _ => options with { Softmax = SoftmaxOrder.BeforeSelection },
        });
        layer.Network.SelectionBias?.copy_(tensor(new[] { 0, -0.02, 0.03, 0.01, 0.02, 0 }));
        var all = Make.Normal(5, 300, 4);
        var indices = layer.ForwardWithRouting(all).Routing.Indices;
        var others = all.masked_select(indices.eq(1).bitwise_or(indices.eq(4)).any(1, keepdim: true).bitwise_not()).reshape(-1, 4);
        others.size(0).Should().BeInRange(20, 280);

        var result = ExpertRemoval.Remove(layer, [1, 4], probe: others);
        using var made = result.Layer;

        (result.Preservation!.LargestChange < 1e-14).Should().Be(stays);
        result.Preservation.ReroutedTokens.Should().Be(0);
        if (made.Network.SelectionBias is { } bias)
            Compare.Doubles(bias).Should().Equal(0, 0.03, 0.01, 0);
    }

    [Fact]
    public void A_selection_bias_beside_probabilities_chooses_otherwise_when_they_grow()
    {
        using var scope = NewDisposeScope();
        using var layer = Make.Layer(Make.Options(experts: 6) with { SelectionBias = true });
        layer.Network.SelectionBias!.copy_(tensor(new[] { 0, -9, 0.3, 0.1, -9, 0 }));

        var result = ExpertRemoval.Remove(layer, [1, 4], probe: Make.Normal(5, 300, 4));
        result.Layer.Dispose();

        result.Preservation!.ReroutedTokens.Should().BeInRange(1, 60);
    }

    [Fact]
    public void Who_was_chosen_is_missed_and_the_report_says_by_how_many()
    {
        using var scope = NewDisposeScope();
        using var layer = Make.Layer(Make.Options(experts: 6));
        var x = Make.Normal(5, 70, 4);
        var chosen = layer.ForwardWithRouting(x).Routing.Load[2];
        chosen.Should().BePositive();

        var result = ExpertRemoval.Remove(layer, [2], probe: x);
        using var made = result.Layer;

        result.Preservation!.ReroutedTokens.Should().Be(chosen);
        result.Preservation.IsExact.Should().BeFalse();
    }

    /// <summary>With fewer experts a capacity factor gives each more places; a fixed number of places stays.</summary>
    [Fact]
    public void A_capacity_factor_is_shared_among_fewer()
    {
        using var scope = NewDisposeScope();
        var x = Make.Normal(5, 64, 4);
        foreach (var capacity in new CapacityOptions[] { new() { Factor = 1, EvaluationFactor = 1 }, new() { Fixed = 20 } })
        {
            using var layer = Operating.WithUnchosen(Make.Options(experts: 6) with { Capacity = capacity }, never: [1, 4]);
            layer.eval();
            layer.ForwardWithRouting(x).Routing.Dropped.Should().BePositive();

            var result = ExpertRemoval.Remove(layer, [1, 4], probe: x);
            using var made = result.Layer;

            result.Preservation!.IsExact.Should().Be(capacity.Fixed is not null);
            (result.Preservation.ReroutedTokens == 0).Should().Be(capacity.Fixed is not null);
        }
    }

    [Theory]
    [InlineData(ScalarType.Float32)]
    [InlineData(ScalarType.Float64)]
    public void Stacks_that_answer_in_one_step_do_so_afterwards(ScalarType type)
    {
        using var scope = NewDisposeScope();
        var options = Make.Options(experts: 6, width: 16) with { Bias = true };
        using var layer = Make.Filled(
            new MixtureOfExperts(new GatingNetwork(options, dtype: type), StackedExperts.GatedFeedForward(6, new() { InputWidth = 16, HiddenWidth = 24 }, dtype: type)), 3, 0.2);
        using (no_grad())
            layer.Network.Bias!.select(0, 2).fill_(-100);
        var x = Make.Normal(5, type, 90, 16);

        var result = ExpertRemoval.Remove(layer, [2], probe: x);
        using var made = result.Layer;

        made.state_dict().Keys.Should().Equal(layer.state_dict().Keys);
        result.Preservation!.ReroutedTokens.Should().Be(0);
        result.Preservation.LargestRelativeChange.Should().BeLessThan(type == ScalarType.Float32 ? 1e-6 : 1e-14);
        Operating.Backward(made, x);
        made.get_parameter("experts.0.down_weight")!.grad!.abs().amax([1, 2]).gt(0).all().item<bool>().Should().BeTrue();
    }

    [Fact]
    public void The_least_used_go_and_of_equals_the_later()
    {
        using var scope = NewDisposeScope();
        using var layer = Make.Layer(Make.Options(experts: 5, topK: 1));
        var usage = RoutingReport.FromCounts([5, 1, 9, 1, 4], [5, 1, 9, 1, 4], 20, 1);

        using var one = ExpertRemoval.RemoveLeastUsed(layer, 1, usage).Layer;
        var two = ExpertRemoval.RemoveLeastUsed(layer, 3, usage);
        using var three = ExpertRemoval.RemoveBelow(layer, 0.2, usage).Layer;
        using var none = ExpertRemoval.RemoveBelow(layer, 0, usage, probe: Make.Normal(1, 9, 4)).Layer;

        one.Experts.Should().HaveCount(4);
        two.Sources.Should().Equal(0, 2);
        two.Preservation.Should().BeNull();
        two.Layer.Dispose();
        three.Experts.Should().HaveCount(3, "0.2 itself is not below");
        none.Experts.Should().HaveCount(5);
    }

    [Fact]
    public void Null_experts_stay_unless_named()
    {
        using var scope = NewDisposeScope();
        var gate = Make.Gate(Make.Options(experts: 5, topK: 2) with { NullExperts = 2 });
        using var layer = new MixtureOfExperts(gate, [.. StackedExperts.Linear(3, 4, 4, dtype: ScalarType.Float64), new ZeroExpert(4, 4), new ZeroExpert(4, 4)]);
        var usage = RoutingReport.FromCounts([5, 1, 9, 0, 0], [5, 1, 9, 0, 0], 20, 2);

        using var pruned = ExpertRemoval.RemoveLeastUsed(layer, 1, usage).Layer;
        using var named = ExpertRemoval.Remove(layer, [1, 4]).Layer;

        pruned.Gate.NullExpertCount.Should().Be(2);
        pruned.Experts.Should().HaveCount(4);
        named.Gate.NullExpertCount.Should().Be(1);
        named.forward(Make.Normal(1, 9, 4)).shape.Should().Equal(9, 4);
        layer.Invoking(l => ExpertRemoval.Remove(l, [0, 1, 2], topK: 1)).Should().Throw<ArgumentException>().WithMessage("*at least 1 expert*");
    }

    [Fact]
    public void Groups_keep_as_many_experts_each()
    {
        using var scope = NewDisposeScope();
        var options = Make.Options(experts: 6) with { Selection = new GroupLimitedSelection { Groups = 2, KeptGroups = 1 } };
        using var layer = Make.Layer(options);
        var usage = RoutingReport.FromCounts([0, 1, 5, 9, 8, 7], [0, 1, 5, 9, 8, 7], 30, 2);

        var pruned = ExpertRemoval.RemoveLeastUsed(layer, 2, usage);
        pruned.Sources.Should().Equal(1, 2, 3, 4);
        pruned.Layer.Dispose();

        layer.Invoking(l => ExpertRemoval.Remove(l, [0])).Should().Throw<ArgumentException>().WithMessage("*Selection.Groups (2) must divide ExpertCount (5)*");
        layer.Invoking(l => ExpertRemoval.Remove(l, [0, 1])).Should().Throw<ArgumentException>().WithMessage("*Selection.Groups (2)*as many*");
        layer.Invoking(l => ExpertRemoval.RemoveLeastUsed(l, 1, usage)).Should().Throw<ArgumentException>().WithMessage("*multiple of the number of groups (2), got 1*");
    }

    [Fact]
    public void A_gate_keeps_all_else_that_it_has()
    {
        using var scope = NewDisposeScope();
        using var generator = new Generator(3);
        var options = Make.Options(experts: 4) with { Projection = new CosineProjection { Width = 3 }, Noise = new LearnedNoise(), SelectionBias = true, Score = ScoreFunction.Sigmoid };
        using var layer = Make.Layer(options);
        layer.eval();
        layer.Gate.Generator = generator;
        layer.Network.Temperature = 0.7;
        layer.Network.NoiseScale = 0.4;
        layer.Network.TopK = 1;
        layer.Network.LogScale!.requires_grad = false;

        using var made = ExpertRemoval.Remove(layer, [0]).Layer;

        made.training.Should().BeFalse();
        made.Gate.Generator.Should().BeSameAs(generator);
        (made.Network.Temperature, made.Network.NoiseScale, made.Network.TopK).Should().Be((0.7, 0.4, 1));
        Compare.SameBits(made.Network.ProjectionWeight!, layer.Network.ProjectionWeight!);
        Compare.SameBits(made.Network.LogScale!, layer.Network.LogScale!);
        made.Network.LogScale!.requires_grad.Should().BeFalse();
        Compare.SameBits(made.Network.Weight, layer.Network.Weight.narrow(0, 1, 3));
        Compare.SameBits(made.Network.NoiseWeight!, layer.Network.NoiseWeight!.narrow(0, 1, 3));
    }

    [Fact]
    public void Experts_of_all_built_in_kinds_are_copied_and_those_without_weights_shared()
    {
        using var scope = NewDisposeScope();
        var rule = new ThirdOfSum();
        var options = Make.FeedForward();
        IExpert[] experts =
        [
            .. StackedExperts.FeedForward(2, options, dtype: ScalarType.Float64), rule, new LinearExpert(4, 4, dtype: ScalarType.Float64),
            new GatedFeedForwardExpert(new() { InputWidth = 4, HiddenWidth = 3 }, dtype: ScalarType.Float64), new ConstantExpert(4, ones(4, dtype: ScalarType.Float64)), new IdentityExpert(4),
            new SelfGatedExpert(new FeedForwardExpert(options, dtype: ScalarType.Float64), dtype: ScalarType.Float64), Make.Layer(Make.Options(experts: 3)), new ZeroExpert(4, 4), new CopyableExpert(),
        ];
        using var layer = Make.Filled(new MixtureOfExperts(Make.Gate(Make.Options(experts: 11, topK: 11)), experts), 4);
        var x = Make.Normal(7, 12, 4);

        var result = ExpertRemoval.Remove(layer, [], probe: x);

        result.Preservation!.LargestChange.Should().BeLessThan(1e-14);
        result.Layer.Experts[2].Should().BeSameAs(rule);
        var before = Compare.Doubles(result.Layer.forward(x));
        layer.state_dict().Keys.Should().Equal(result.Layer.state_dict().Keys);
        foreach (var (name, value) in result.Layer.state_dict())
            Compare.SameBits(value, layer.state_dict()[name], name);
        layer.Dispose();
        Compare.Doubles(result.Layer.forward(x)).Should().Equal(before, "nothing is shared with the old layer");
        result.Layer.Dispose();
    }

    [Fact]
    public void Gradients_reach_all_that_is_left()
    {
        using var scope = NewDisposeScope();
        using var layer = Make.Layer(Make.Options(experts: 5), shared: 1);
        using var made = ExpertRemoval.Remove(layer, [0]).Layer;

        Operating.Backward(made, Make.Normal(3, 90, 4));

        made.parameters().Should().OnlyContain(parameter => parameter.is_leaf && parameter.requires_grad && parameter.grad!.abs().max().item<double>() > 0);
        layer.parameters().Should().OnlyContain(parameter => Equals(parameter.grad, null));
    }

    [Theory]
    [InlineData("too few for K", "*TopK (2) must lie between 1 and ExpertCount (1)*")]
    [InlineData("twice", "*different experts from 0 to 2, got [1, 1]*")]
    [InlineData("out of range", "*different experts from 0 to 2, got [3]*")]
    [InlineData("a module of one's own", "*Expert 2 (ModuleExpert) cannot be copied*ICopyableExpert*")]
    [InlineData("soft router", "*GatingNetwork*SoftRouter*")]
    [InlineData("table", "*table*")]
    [InlineData("two levels", "*two*")]
    [InlineData("probe", "*shape [*, 4]*")]
    public void What_does_not_fit_is_refused_and_nothing_is_made(string what, string message)
    {
        using var scope = NewDisposeScope();
        var options = Make.Options(experts: 3);
        using var layer = what switch
        {
            "a module of one's own" => new MixtureOfExperts(Make.Gate(options), [.. StackedExperts.Linear(2, 4, 4, dtype: ScalarType.Float64), new ModuleExpert(nn.Linear(4, 4, dtype: ScalarType.Float64), 4, 4)]),
            "soft router" => new MixtureOfExperts(new SoftRouter(new() { InputWidth = 4, ExpertCount = 3 }, dtype: ScalarType.Float64), StackedExperts.Linear(3, 4, 4, dtype: ScalarType.Float64)),
            "table" => new MixtureOfExperts(new GatingNetwork(options with { Selection = new TableSelection { VocabularySize = 5 } }, dtype: ScalarType.Float64), StackedExperts.Linear(3, 4, 4, dtype: ScalarType.Float64)),
            "two levels" => Make.Layer(options with { Projection = new TwoLevelProjection { Groups = 3 } }),
            _ => Make.Layer(options),
        };
        var x = what == "probe" ? Make.Normal(1, 9, 3) : null;
        int[] experts = what switch { "too few for K" => [0, 1], "twice" => [1, 1], "out of range" => [3], _ => [0] };

        LiveTensors.After(() => layer.Invoking(l => ExpertRemoval.Remove(l, experts, probe: x)).Should().Throw<ArgumentException>().WithMessage(message)).Should().Be(0);
    }

    [Fact]
    public void Only_the_new_layer_is_left_alive()
    {
        using var layer = Make.Layer(Make.Options(experts: 5), shared: 2);
        using var x = Make.Normal(3, 20, 4);
        LiveTensors.After(() => ExpertRemoval.Remove(layer, [0], probe: x).Layer.Dispose()).Should().Be(0);
        SurgeryResult made;
        using (NewDisposeScope())
            made = ExpertRemoval.Remove(layer, [0]);
        made.Layer.parameters().Should().OnlyContain(parameter => !parameter.IsInvalid, "it outlives the scope that it was made in");
        made.Layer.Dispose();
        layer.Dispose();
        layer.Invoking(l => ExpertRemoval.Remove(l, [0])).Should().Throw<ObjectDisposedException>();
    }
}

/// <summary>A user's own module that can copy itself.</summary>
internal sealed class CopyableExpert : nn.Module<Tensor, Tensor>, ICopyableExpert
{
    [ComponentName(Name = "linear")]
    private readonly TorchSharp.Modules.Linear _linear = nn.Linear(4, 4, dtype: ScalarType.Float64);

    public CopyableExpert()
        : base(nameof(CopyableExpert)) => RegisterComponents();

    public long InputWidth => 4;

    public long OutputWidth => 4;

    public override Tensor forward(Tensor input) => _linear.call(input);

    public IExpert Copy()
    {
        var copy = new CopyableExpert();
        copy.load_state_dict(state_dict());
        return copy;
    }
}
