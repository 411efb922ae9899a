using static TorchSharp.torch;

namespace Moe.Core.Tests;

/// <summary>The published conventions, each against a loop over tokens.</summary>
public sealed class LoadBalanceConventionTests
{
    private static readonly Dictionary<string, LoadBalanceOptions> Named = new()
    {
        ["Switch"] = LoadBalanceOptions.Switch,
        ["GShard"] = LoadBalanceOptions.GShard,
        ["MegaBlocks"] = LoadBalanceOptions.MegaBlocks,
        ["Megatron"] = LoadBalanceOptions.Megatron,
        ["HuggingFace"] = LoadBalanceOptions.HuggingFace,
        ["DeepSeekSequence"] = LoadBalanceOptions.DeepSeekSequence,
        ["StMoe"] = LoadBalanceOptions.StMoe,
        ["FastMoeSwitch"] = LoadBalanceOptions.FastMoeSwitch,
        ["GlobalBatch"] = LoadBalanceOptions.GlobalBatch,
    };

    private static readonly Dictionary<string, GatingOptions> Gates = new()
    {
        ["softmax"] = Make.Options(topK: 1),
        ["sigmoid with bias"] = Make.Options(topK: 2) with { Score = ScoreFunction.Sigmoid, SelectionBias = true },
        ["softplus in groups"] = Make.Options(topK: 2) with { Score = ScoreFunction.SqrtSoftplus, Selection = new GroupLimitedSelection { Groups = 2, KeptGroups = 1 } },
        ["second by chance"] = Make.Options(topK: 2) with { Selection = new StochasticSelection(), Softmax = SoftmaxOrder.BeforeSelection },
        ["dense"] = Make.Options(topK: 4),
        ["some above a threshold"] = Make.Options(topK: 4) with { Score = ScoreFunction.Relu, Selection = new ThresholdSelection { AlwaysBest = false } },
        ["expert choice"] = Make.Options(topK: 2) with { Selection = new ExpertChoiceSelection(), Softmax = SoftmaxOrder.BeforeSelection },
    };

    public static TheoryData<string, string, bool, int> Every()
    {
        var data = new TheoryData<string, string, bool, int>();
        foreach (var (convention, gate, masked, seed) in
            from convention in Named.Keys from gate in Gates.Keys from masked in new[] { false, true } from seed in new[] { 1, 2, 3 } select (convention, gate, masked, seed))
        {
            data.Add(convention, gate, masked, seed);
        }
        return data;
    }

    [Theory]
    [MemberData(nameof(Every))]
    public void Each_convention_is_the_sum_that_a_loop_gives(string convention, string gateName, bool masked, int seed)
    {
        using var scope = NewDisposeScope();
        var options = Gates[gateName];
        var hasPlaces = options.Selection is not ExpertChoiceSelection;
        using var gate = Gate(options with { Noise = new GaussianNoise { Deviation = 0.5 }, Temperature = 0.7, Capacity = hasPlaces ? new() { Factor = 0.3 } : null }, seed);
        using var noise = new Generator(9);
        gate.Generator = noise;

        // The last sequence is nothing but padding.
        var mask = Make.Mask([.. Enumerable.Range(0, 15).Select(token => token < 10 && token % 3 != 1 ? 1 : 0)]).reshape(3, 5);
        using var decision = gate.Route(Make.Normal(seed + 10, 3, 5, 4), masked ? mask : null);

        var loss = new LoadBalance(Named[convention]).ValueOf(decision);

        loss.Should().BeApproximately(LoadBalanceByHand.Of(decision, Named[convention]), 1e-12).And.BePositive();
        (decision.Dropped > 0).Should().Be(hasPlaces, "dropping must make a difference where it can");
    }

    [Theory]
    [MemberData(nameof(Balance))]
    public void At_perfect_balance_it_is_what_its_documentation_says(string convention, int topK, double expected)
    {
        using var scope = NewDisposeScope();

        // Token t prefers expert t mod 4, then the next ones in a ring.
        var preferences = (arange(4, dtype: ScalarType.Float64).unsqueeze(0) - arange(4, dtype: ScalarType.Float64).unsqueeze(1)).remainder(4).mul(-2);
        using var router = new FixedRouter(preferences.repeat(6, 1).reshape(3, 8, 4), topK);

        new LoadBalance(Named[convention]).ValueOf(router.Decide()).Should().BeApproximately(expected, 1e-12);
    }

    public static TheoryData<string, int, double> Balance()
    {
        var data = new TheoryData<string, int, double>();
        foreach (var (convention, topK) in from convention in Named.Keys from topK in new[] { 1, 2, 4 } select (convention, topK))
            data.Add(convention, topK, convention == "HuggingFace" ? topK : 1);
        return data;
    }

    [Theory]
    [MemberData(nameof(Conventions))]
    public void At_full_collapse_it_is_E(string convention)
    {
        using var scope = NewDisposeScope();
        using var router = new FixedRouter(tensor(new double[] { 0, 0, 90, 0 }).expand(2, 6, 4));

        new LoadBalance(Named[convention]).ValueOf(router.Decide()).Should().BeApproximately(4, 1e-12);
    }

    public static TheoryData<string> Conventions() => [.. Named.Keys];

    [Fact]
    public void Imbalance_that_cancels_across_layers_is_seen_only_where_layers_are_kept_apart()
    {
        using var scope = NewDisposeScope();
        using var left = new FixedRouter(tensor(new double[] { 90, 0, 0, 0, 0, 90, 0, 0 }).reshape(2, 4));
        using var right = new FixedRouter(tensor(new double[] { 0, 0, 90, 0, 0, 0, 0, 90 }).reshape(2, 4));
        LayerRouting[] layers = [new(left, left.Decide()), new(right, right.Decide())];

        new LoadBalance(LoadBalanceOptions.HuggingFace).Compute(layers).Should().ContainSingle().Which.item<double>().Should().BeApproximately(1, 1e-12);
        new LoadBalance().Compute(layers).Select(loss => loss.item<double>()).Should().HaveCount(2).And.OnlyContain(loss => Math.Abs(loss - 2) < 1e-12);
    }

    [Fact]
    public void Joined_layers_are_one_layer_with_the_tokens_of_all()
    {
        using var scope = NewDisposeScope();
        var (left, right) = (Make.Normal(1, 6, 4), Make.Normal(2, 9, 4));
        var mask = Make.Mask(1, 1, 0, 1, 0, 1, 1, 1, 1);
        using var first = new FixedRouter(left, 2);
        using var second = new FixedRouter(right, 2);
        using var both = new FixedRouter(cat([left, right]), 2);
        var loss = new LoadBalance(LoadBalanceOptions.HuggingFace);

        var joined = loss.Compute([new(first, first.Decide()), new(second, second.Decide(mask))]).Single();

        joined.item<double>().Should().BeApproximately(loss.ValueOf(both.Decide(cat([ones(6, dtype: ScalarType.Bool), mask]))), 1e-13);
    }

    [Fact]
    public void Layers_that_differ_in_experts_are_not_joined()
    {
        using var scope = NewDisposeScope();
        using var four = new FixedRouter(zeros(2, 4));
        using var three = new FixedRouter(zeros(2, 3));
        LayerRouting[] layers = [new(four, four.Decide()), new(three, three.Decide())];

        FluentActions.Invoking(() => new LoadBalance(LoadBalanceOptions.HuggingFace).Compute(layers))
            .Should().Throw<ArgumentException>().WithMessage("Expected layers of as many experts in order to join them, got 4 and 3.*");
        new LoadBalance().Compute(layers).Should().HaveCount(2, "kept apart they may differ");
    }

    [Fact]
    public void Options_that_contradict_each_other_are_refused_all_at_once()
    {
        var wrong = new LoadBalanceOptions { Counted = CountedChoices.First, Scope = TokenScope.Sequence, GlobalCounts = true, JoinLayers = true };

        FluentActions.Invoking(() => new LoadBalance(wrong)).Should().Throw<ArgumentException>().WithMessage(
            "LoadBalanceOptions is not valid: Counted (First) must be Assigned with GlobalCounts: a global batch counts nothing else. "
            + "Scope (Sequence) must be Batch with GlobalCounts. Scope (Sequence) must be Batch with JoinLayers.*");
        FluentActions.Invoking(() => new LoadBalance(new() { Counted = (CountedChoices)9, Scope = (TokenScope)9 })).Should().Throw<ArgumentException>()
            .WithMessage("*Counted (9) must be Assigned, First, FirstKept, Kept or TopScores. Scope (9) must be Batch or Sequence.*");
    }

    private static GatingNetwork Gate(GatingOptions options, int seed)
    {
        var gate = Make.Gate(options with { Bias = true }, seed);
        gate.SelectionBias?.copy_(tensor(new[] { 0.3, -0.2, 0.1, -0.4 }));
        return gate;
    }
}
