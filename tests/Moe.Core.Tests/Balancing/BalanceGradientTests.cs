using static TorchSharp.torch;

namespace Moe.Core.Tests;

/// <summary>What all balancing losses have in common: right gradients, nothing from padding, nothing left behind.</summary>
public sealed class BalanceGradientTests
{
    private static readonly GatingOptions Noisy = Make.Options() with { Bias = true, Noise = new LearnedNoise { Floor = 0.1 }, Temperature = 0.7 };

    private static readonly Dictionary<string, (BalanceLoss Loss, GatingOptions Gate)> All = new()
    {
        ["Switch"] = (new LoadBalance(), Noisy),
        ["GShard"] = (new LoadBalance(LoadBalanceOptions.GShard), Noisy),
        ["Megatron, sigmoid"] = (new LoadBalance(LoadBalanceOptions.Megatron), Noisy with { Score = ScoreFunction.Sigmoid }),
        ["DeepSeek, sigmoid"] = (new LoadBalance(LoadBalanceOptions.DeepSeekSequence), Noisy with { Score = ScoreFunction.Sigmoid }),
        ["Switch, softplus"] = (new LoadBalance(), Noisy with { Score = ScoreFunction.SqrtSoftplus }),
        ["Hugging Face"] = (new LoadBalance(LoadBalanceOptions.HuggingFace), Noisy),
        ["FastMoE's Switch"] = (new LoadBalance(LoadBalanceOptions.FastMoeSwitch), Noisy with { Capacity = new() { Factor = 0.7 } }),
        ["st-moe"] = (new LoadBalance(LoadBalanceOptions.StMoe), Noisy with { Capacity = new() { Factor = 0.7 } }),
        ["importance"] = (new ImportanceLoss(ImportanceOptions.FastMoe), Noisy),
        ["importance of scores"] = (new ImportanceLoss(new() { Source = ImportanceSource.Scores }), Noisy),
        ["importance, V-MoE"] = (new ImportanceLoss(ImportanceOptions.VMoE), Noisy),
        ["load"] = (new SmoothLoadLoss(SmoothLoadOptions.FastMoe), Noisy),
        ["load, top-1"] = (new SmoothLoadLoss(), Noisy with { TopK = 1 }),
        ["load, V-MoE"] = (new SmoothLoadLoss(SmoothLoadOptions.VMoE), Noisy),
        ["z"] = (new RouterZLoss(), Noisy),
        ["L1"] = (new ReluL1Loss(), PublishedGates.ReMoE(4, 4)),
        ["L1, balanced"] = (new ReluL1Loss(new() { BalancedTopK = 2 }), PublishedGates.ReMoE(4, 4)),
    };

    public static TheoryData<string> Names() => [.. All.Keys];

    [Theory]
    [MemberData(nameof(Names))]
    public void Its_gradient_is_its_slope(string name)
    {
        using var scope = NewDisposeScope();
        var (loss, options) = All[name];
        using var gate = Gate(options, name.Length);
        var x = Make.Normal(21, 3, 5, 4);

        Slopes.ShouldBeRight(gate, () => loss.Of(gate.Route(x)));
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Its_gradient_is_its_slope_beside_padding(string name)
    {
        using var scope = NewDisposeScope();
        var (loss, options) = All[name];
        using var gate = Gate(options, name.Length + 1);
        var x = Make.Normal(22, 3, 5, 4);
        var mask = Make.Mask(1, 1, 0, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0).reshape(3, 5);

        Slopes.ShouldBeRight(gate, () => loss.Of(gate.Route(x, mask)));
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Padding_changes_neither_value_nor_gradient(string name)
    {
        using var scope = NewDisposeScope();
        var (loss, options) = All[name];
        using var gate = Gate(options, 3);
        var x = Make.Normal(23, 1, 10, 4);
        var padded = cat([x, full([1, 4, 4], double.NaN, dtype: ScalarType.Float64)], 1);
        var mask = Make.Mask([.. Enumerable.Range(0, 14).Select(token => token < 10 ? 1 : 0)]).reshape(1, 14);

        Compare.Close(loss.Of(gate.Route(padded, mask)), loss.Of(gate.Route(x)), 1e-13);
        var with = Make.Gradients(gate, padded, input => loss.Of(gate.Route(input, mask)));
        var without = Make.Gradients(gate, x, input => loss.Of(gate.Route(input)));
        with["input"] = with["input"].narrow(1, 0, 10);
        Make.SameGradients(with, without, 1e-12);
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Nothing_but_padding_gives_0_with_a_gradient_of_0(string name)
    {
        using var scope = NewDisposeScope();
        var (loss, options) = All[name];
        using var gate = Gate(options, 4);

        var value = loss.Of(gate.Route(Make.Normal(24, 2, 3, 4), zeros(2, 3, dtype: ScalarType.Bool)));
        value.backward();

        value.item<double>().Should().Be(0);
        foreach (var (_, parameter) in gate.named_parameters())
            Compare.Close(parameter.grad ?? zeros_like(parameter), zeros_like(parameter).detach(), 0);
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void One_expert_gives_no_NaN(string name)
    {
        using var scope = NewDisposeScope();
        var (loss, options) = All[name];
        using var gate = Gate(options with { ExpertCount = 1, TopK = 1 }, 5);

        var value = loss.Of(gate.Route(Make.Normal(25, 2, 3, 4)));
        value.backward();

        double.IsFinite(value.item<double>()).Should().BeTrue();
        if (loss is ImportanceLoss or SmoothLoadLoss)
            value.item<double>().Should().Be(0);
        gate.parameters().Where(parameter => parameter.grad is not null).Should().OnlyContain(parameter => parameter.grad!.isfinite().all().item<bool>());
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void It_has_the_type_of_the_decision_and_leaves_only_its_values(string name)
    {
        var (loss, options) = All[name];
        using var gate = Make.Gate(options, type: ScalarType.Float32);
        using var x = Make.Normal(26, ScalarType.BFloat16, 2, 5, 4);
        using var decision = gate.Route(x);
        LayerRouting[] layers = [new(gate, decision), new(gate, decision)];

        LiveTensors.After(() =>
        {
            var values = loss.Compute(layers);
            values.Should().HaveCount(name == "Hugging Face" ? 1 : 2).And.OnlyContain(value => value.dtype == ScalarType.Float32 && value.dim() == 0);
            foreach (var value in values)
                value.Dispose();
        }).Should().Be(0);
        decision.Scores.IsInvalid.Should().BeFalse();
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void No_layers_give_no_losses_and_what_is_missing_is_refused(string name)
    {
        var loss = All[name].Loss;
        using var router = new FixedRouter(zeros(2, 4));
        var disposed = router.Decide();
        disposed.Dispose();

        loss.Compute([]).Should().BeEmpty();
        FluentActions.Invoking(() => loss.Compute(null!)).Should().Throw<ArgumentNullException>();
        FluentActions.Invoking(() => loss.Compute([new LayerRouting(router, disposed)])).Should().Throw<ObjectDisposedException>();
    }

    [Fact]
    public void Names_are_for_columns_and_tags() => All.Values.Select(entry => entry.Loss.Name).Distinct()
        .Should().BeEquivalentTo("load_balance", "importance", "smooth_load", "router_z", "relu_l1");

    /// <summary>A ReLU row of zeros has no sum to be divided by.</summary>
    [Fact]
    public void Tokens_that_no_expert_scores_above_0_leave_value_and_gradient_finite()
    {
        using var scope = NewDisposeScope();
        using var gate = Make.Gate(PublishedGates.ReMoE(4, 4), type: ScalarType.Float32);
        using (no_grad())
            gate.Weight.copy_(ones(4, 4) * 0.5);
        using var decision = gate.Route(cat([full(3, 4, -1f), full(2, 4, 1f)]));
        decision.Assigned.Should().Equal(2, 2, 2, 2);

        var loss = new LoadBalance().Of(decision);
        loss.backward();

        loss.item<float>().Should().BeApproximately(2 / 5f, 1e-6f, "three of five tokens have no probabilities");
        gate.Weight.grad!.isfinite().all().item<bool>().Should().BeTrue();
    }

    /// <summary>The same noise each time, so that a loss is a function of the parameters.</summary>
    private static GatingNetwork Gate(GatingOptions options, int seed)
    {
        var gate = Make.Gate(options, seed);
        gate.Draws.Recorded = (_, like) => Make.Normal(77, 40, like.size(1)).narrow(0, 0, like.size(0));
        return gate;
    }
}
