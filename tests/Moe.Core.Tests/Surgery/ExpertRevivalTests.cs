using static TorchSharp.torch;

namespace Moe.Core.Tests;

/// <summary>A dead expert comes back as a slightly different copy of a busy one, and they share the tokens.</summary>
public sealed class ExpertRevivalTests
{
    [Fact]
    public void Both_get_tokens_afterwards_and_outputs_change_no_more_than_the_noise()
    {
        using var scope = NewDisposeScope();
        using var layer = Collapsed();
        using var generator = new Generator(5);
        var x = Make.Normal(3, 200, 4);
        var (before, routing) = layer.ForwardWithRouting(x);
        var report = RoutingReport.From(routing);
        report.Load.Should().Equal(0, 200, 0);

        ExpertRevival.Revive(layer, dead: 2, source: 1, new() { ExpertNoise = 1e-3 }, generator);

        var (after, now) = layer.ForwardWithRouting(x);
        now.Load[0].Should().Be(0);
        now.Load[1].Should().BeInRange(20, 180);
        now.Load[2].Should().Be(200 - now.Load[1]);
        (Compare.Distance(after, before) / before.abs().max().item<double>()).Should().BeInRange(1e-6, 0.01);
    }

    [Theory]
    [InlineData(0.01, false)]
    [InlineData(8, true)]
    public void With_two_experts_a_token_a_copy_of_the_best_pushes_the_second_out_unless_the_noise_exceeds_its_lead(double noise, bool stays)
    {
        using var scope = NewDisposeScope();
        using var layer = Make.Layer(Make.Options(experts: 4, topK: 2) with { Bias = true });
        using (no_grad())
            layer.Network.Bias!.copy_(tensor(new double[] { 0, 104, 100, 0 }));
        using var generator = new Generator(5);
        var x = Make.Normal(3, 200, 4);
        var before = layer.ForwardWithRouting(x).Routing;
        before.Load.Should().Equal(0, 200, 200, 0);

        ExpertRevival.ReviveDead(layer, RoutingReport.From(before), new() { GateNoise = noise }, generator).Should().Equal(0, 3);

        var now = RoutingReport.From(layer.ForwardWithRouting(x).Routing);
        (now.Share[2] + now.Share[3] > 0.05).Should().Be(stays);
        now.Share[0].Should().BePositive();
    }

    [Fact]
    public void A_slice_of_a_stack_is_overwritten_in_place_and_nothing_else_is()
    {
        using var scope = NewDisposeScope();
        using var layer = Collapsed();
        var handles = layer.parameters().Select(parameter => parameter.Handle).ToArray();
        var before = Copy(layer);

        ExpertRevival.Revive(layer, dead: 2, source: 1);

        layer.parameters().Select(parameter => parameter.Handle).Should().Equal(handles);
        layer.parameters().Should().OnlyContain(parameter => parameter.requires_grad && parameter.is_leaf);
        foreach (var (name, value) in layer.state_dict())
        {
            Compare.SameBits(value[0], before[name][0], $"expert 0's {name}");
            Compare.SameBits(value[1], before[name][1], $"expert 1's {name}");
            var scale = (name == "gate.weight" ? before[name] : before[name][1]).square().mean().sqrt();
            var noise = Compare.Distance(value[2] / scale, before[name][1] / scale);
            if (name == "gate.bias")
                noise.Should().Be(0);
            else
                noise.Should().BeInRange(1e-4, 0.06, "that is noise of 0.01 on {0}", name);
        }
    }

    [Fact]
    public void Without_noise_the_copy_is_exact()
    {
        using var scope = NewDisposeScope();
        using var layer = Collapsed(Make.Options(experts: 3, topK: 1) with { Bias = true, SelectionBias = true, Noise = new LearnedNoise() });
        using (no_grad())
            layer.Network.SelectionBias!.copy_(tensor(new double[] { -1, 0.5, 7 }));

        ExpertRevival.Revive(layer, dead: 2, source: 1, new() { ExpertNoise = 0, GateNoise = 0 });

        layer.state_dict().Should().ContainKeys("gate.weight", "gate.bias", "gate.noise_weight", "gate.selection_bias", "experts.0.up_weight");
        foreach (var (name, value) in layer.state_dict())
            Compare.SameBits(value[2], value[1], name);
    }

    [Fact]
    public void Modules_of_a_users_own_are_copied_with_their_buffers()
    {
        using var scope = NewDisposeScope();
        using var layer = new MixtureOfExperts(Make.Gate(Make.Options(experts: 2, topK: 1)), [Normalizing(), Normalizing()]);
        layer.Experts[0].forward(Make.Normal(3, 20, 4) * 3 + 1);
        var (source, dead) = (((nn.Module)layer.Experts[0]).state_dict(), ((nn.Module)layer.Experts[1]).state_dict());

        ExpertRevival.Revive(layer, dead: 1, source: 0);

        dead.Keys.Should().Contain(["module.0.running_mean", "module.0.num_batches_tracked", "module.1.weight"]);
        foreach (var (name, value) in dead)
        {
            if (name.StartsWith("module.1.", StringComparison.Ordinal) || name is "module.0.weight")
                Compare.Distance(value, source[name]).Should().BeInRange(1e-5, 0.1, "noise lies on the parameter {0}", name);
            else
                Compare.SameBits(value, source[name], name);
        }
    }

    [Fact]
    public void The_same_generator_gives_the_same_bits_and_another_others()
    {
        using var scope = NewDisposeScope();
        Dictionary<string, Tensor> Revived(ulong seed)
        {
            using var layer = Collapsed();
            using var generator = new Generator(seed);
            ExpertRevival.Revive(layer, 2, 1, generator: generator);
            return Copy(layer);
        }
        var (first, second, other) = (Revived(1), Revived(1), Revived(2));

        foreach (var (name, value) in first)
            Compare.SameBits(second[name], value, name);
        Compare.Distance(other["gate.weight"], first["gate.weight"]).Should().BePositive();
        Compare.Distance(other["experts.0.up_weight"], first["experts.0.up_weight"]).Should().BePositive();
    }

    [Fact]
    public void Several_dead_experts_come_from_the_living_by_how_much_each_has_left_to_share()
    {
        using var scope = NewDisposeScope();
        using var layer = Make.Layer(Make.Options(experts: 6, topK: 1));
        var before = Copy(layer);

        // 60 assignments are shared by two, by three, and only then are 25 the most.
        var revived = ExpertRevival.ReviveDead(
            layer, RoutingReport.FromCounts([0, 60, 0, 0, 25, 0], [0, 60, 0, 0, 25, 0], 85, 1), new() { ExpertNoise = 0, GateNoise = 0 });

        revived.Should().Equal(0, 2, 3, 5);
        int[] sources = [1, 1, 1, 4, 4, 1];
        var weight = layer.Network.Weight;
        foreach (var (expert, source) in sources.Index())
            Compare.SameBits(weight[expert], before["gate.weight"][source], $"the row of expert {expert}");
    }

    [Fact]
    public void Where_nobody_is_dead_or_nobody_lives_nothing_happens()
    {
        using var scope = NewDisposeScope();
        using var layer = Make.Layer(Make.Options(experts: 2, topK: 1));
        var before = Copy(layer);

        ExpertRevival.ReviveDead(layer, RoutingReport.FromCounts([3, 1], [3, 1], 4, 1)).Should().BeEmpty();
        ExpertRevival.ReviveDead(layer, RoutingReport.FromCounts([0, 0], [0, 0], 4, 1)).Should().BeEmpty();

        ShouldBeUnchanged(layer, before);
    }

    [Fact]
    public void Null_experts_stay_dead()
    {
        using var scope = NewDisposeScope();
        var gate = Make.Gate(Make.Options(experts: 4, topK: 1) with { NullExperts = 2 });
        using var layer = new MixtureOfExperts(
            gate, [.. StackedExperts.Linear(2, 4, 4, dtype: ScalarType.Float64), new ZeroExpert(4, 4), new ZeroExpert(4, 4)]);

        ExpertRevival.ReviveDead(layer, RoutingReport.FromCounts([0, 3, 9, 0], [0, 3, 9, 0], 12, 1)).Should().Equal(0);
    }

    [Fact]
    public void An_optimizer_goes_on_with_the_same_parameters_and_the_two_grow_apart()
    {
        using var scope = NewDisposeScope();
        using var layer = Collapsed();
        using var optimizer = optim.AdamW(layer.parameters(), 0.01);
        var x = Make.Normal(3, 100, 4);
        void Step()
        {
            layer.zero_grad();
            (layer.forward(x) - x.flip(1)).square().mean().backward();
            optimizer.step();
        }
        Step();
        ExpertRevival.Revive(layer, dead: 2, source: 1);
        var weight = layer.get_parameter("experts.0.up_weight")!;
        var apart = Compare.Distance(weight[2], weight[1]);
        var revived = weight[2].detach().clone();

        for (var step = 0; step < 5; step++)
            Step();

        Compare.Distance(weight[2], revived).Should().BeGreaterThan(1e-3, "it learns");
        Compare.Distance(weight[2], weight[1]).Should().BeGreaterThan(apart);
    }

    [Fact]
    public void It_leaves_nothing_alive()
    {
        using var layer = Collapsed();
        using var generator = new Generator(5);
        LiveTensors.After(() => ExpertRevival.Revive(layer, 2, 1, generator: generator)).Should().Be(0);
        LiveTensors.After(() => FluentActions.Invoking(() => ExpertRevival.Revive(layer, 2, 2)).Should().Throw<ArgumentException>()).Should().Be(0);
    }

    [Theory]
    [InlineData("no module", "*modules*expert 1 (ThirdOfSum) is not*")]
    [InlineData("another shape", "*expert 1 and expert 0 differ*")]
    [InlineData("another activation", "*expert 1 and expert 0 differ*")]
    [InlineData("another type", "*expert 1 and expert 0 differ: PlainModuleExpert and SelfGatedExpert*")]
    [InlineData("another shape inside", "*expert 1 and expert 0 differ: module.weight is [4, 4] and missing*")]
    [InlineData("soft router", "*GatingNetwork*SoftRouter*")]
    [InlineData("table", "*table*")]
    [InlineData("groups", "*one group, got 1 and 0*")]
    public void What_does_not_fit_is_refused_and_changes_nothing(string what, string message)
    {
        using var scope = NewDisposeScope();
        var options = Make.Options(experts: 2, topK: 1);
        using var layer = what switch
        {
            "no module" => new MixtureOfExperts(Make.Gate(options), [Wrapped(4), new ThirdOfSum()]),
            "another shape" => new MixtureOfExperts(Make.Gate(options), [Expert(6, Activation.Gelu), Expert(5, Activation.Gelu)]),
            "another activation" => new MixtureOfExperts(Make.Gate(options), [Expert(6, Activation.Gelu), Expert(6, Activation.Relu)]),
            "another type" => new MixtureOfExperts(Make.Gate(options), [new SelfGatedExpert(Expert(6, Activation.Gelu), dtype: ScalarType.Float64), new PlainModuleExpert()]),
            "another shape inside" => new MixtureOfExperts(Make.Gate(options), [Normalizing(), Wrapped(4)]),
            "soft router" => new MixtureOfExperts(new SoftRouter(new() { InputWidth = 4, ExpertCount = 2 }, dtype: ScalarType.Float64), [Wrapped(4), Wrapped(4)]),
            "table" => new MixtureOfExperts(new GatingNetwork(options with { Selection = new TableSelection { VocabularySize = 5 } }, dtype: ScalarType.Float64), [Wrapped(4), Wrapped(4)]),
            _ => new MixtureOfExperts(Make.Gate(options with { Projection = new TwoLevelProjection { Groups = 2 } }), [Wrapped(4), Wrapped(4)]),
        };
        var before = Copy(layer);

        layer.Invoking(l => ExpertRevival.Revive(l, dead: 1, source: 0)).Should().Throw<ArgumentException>().WithMessage(message);

        ShouldBeUnchanged(layer, before);
    }

    [Fact]
    public void Where_one_of_several_cannot_be_brought_back_none_is()
    {
        using var scope = NewDisposeScope();
        using var layer = new MixtureOfExperts(Make.Gate(Make.Options(experts: 3, topK: 1)), [Wrapped(4), Wrapped(4), new ThirdOfSum()]);
        var before = Copy(layer);
        var report = RoutingReport.FromCounts([5, 0, 0], [5, 0, 0], 5, 1);

        layer.Invoking(l => ExpertRevival.ReviveDead(l, report)).Should().Throw<ArgumentException>().WithMessage("*expert 2 (ThirdOfSum)*");

        ShouldBeUnchanged(layer, before);
    }

    [Fact]
    public void Bad_arguments_are_refused()
    {
        using var scope = NewDisposeScope();
        var layer = Make.Layer(Make.Options(experts: 2, topK: 1));
        var before = Copy(layer);

        foreach (var (dead, source) in new[] { (-1, 0), (2, 0), (0, -1), (0, 2), (1, 1) })
            layer.Invoking(l => ExpertRevival.Revive(l, dead, source)).Should().Throw<ArgumentException>().WithMessage($"*0 to 1, got {dead} to be brought back from {source}*");
        layer.Invoking(l => ExpertRevival.Revive(l, 0, 1, new() { ExpertNoise = -1, GateNoise = double.NaN })).Should().Throw<ArgumentException>().WithMessage("*ExpertNoise (-1)*GateNoise (NaN)*");
        layer.Invoking(l => ExpertRevival.ReviveDead(l, RoutingReport.FromCounts([1, 1, 0], [1, 1, 0], 2, 1))).Should().Throw<ArgumentException>().WithMessage("*2 experts, got one about 3*");
        layer.Invoking(l => ExpertRevival.ReviveDead(l, null!)).Should().Throw<ArgumentNullException>();
        FluentActions.Invoking(() => ExpertRevival.Revive(null!, 0, 1)).Should().Throw<ArgumentNullException>();

        ShouldBeUnchanged(layer, before);
        layer.Dispose();
        layer.Invoking(l => ExpertRevival.Revive(l, 0, 1)).Should().Throw<ObjectDisposedException>();
    }

    /// <summary>Three experts in a stack, of which a large bias lets only the second be chosen.</summary>
    private static MixtureOfExperts Collapsed(GatingOptions? options = null)
    {
        var layer = Make.Layer(options ?? Make.Options(experts: 3, topK: 1) with { Bias = true });
        using var noGrad = no_grad();
        layer.Network.Bias!.copy_(tensor(new double[] { 0, 100, 0 }));
        return layer;
    }

    private static Dictionary<string, Tensor> Copy(nn.Module layer) => layer.state_dict().ToDictionary(item => item.Key, item => item.Value.detach().clone());

    private static void ShouldBeUnchanged(nn.Module layer, Dictionary<string, Tensor> before)
    {
        foreach (var (name, value) in layer.state_dict())
            Compare.SameBits(value, before[name], name);
    }

    private static FeedForwardExpert Expert(long hidden, Activation activation) =>
        new(Make.FeedForward(hidden: hidden) with { Activation = activation }, dtype: ScalarType.Float64);

    private static ModuleExpert Wrapped(long width) => new(nn.Linear(width, width, dtype: ScalarType.Float64), width, width);

    private static ModuleExpert Normalizing() => new(
        nn.Sequential(nn.BatchNorm1d(4, dtype: ScalarType.Float64), nn.Linear(4, 4, dtype: ScalarType.Float64)), 4, 4);
}
