using static TorchSharp.torch;

namespace Moe.Core.Tests;

/// <summary>Several experts become one, whose weights are their mean.</summary>
public sealed class ExpertMergingTests
{
    [Theory]
    [InlineData(1, ScalarType.Float32)]
    [InlineData(2, ScalarType.Float64)]
    [InlineData(3, ScalarType.Float64)]
    public void Experts_that_are_the_same_become_the_same_and_with_one_expert_a_token_the_output_stays(int seed, ScalarType type)
    {
        using var scope = NewDisposeScope();
        using var layer = Make.Layer(Make.Options(experts: 5, topK: 1), seed, type);
        foreach (var copy in new[] { 3, 4 })
            ExpertRevival.Revive(layer, copy, 1, new() { ExpertNoise = 0, GateNoise = 0 });
        var before = Operating.Copy(layer);
        var x = Make.Normal(seed + 20, type, 80, 4);

        var result = ExpertMerging.Merge(layer, [[4, 1, 3]], RoutingReport.FromCounts([1, 3, 2, 4, 0], [1, 3, 2, 4, 0], 10, 1), probe: x);
        using var made = result.Layer;

        result.Sources.Should().Equal(0, 1, 2);
        result.NewIndices.Should().Equal(0, 1, 2, 1, 1);
        foreach (var (name, value) in Operating.Weights(made, 1))
            Compare.SameBits(value, Operating.Weights(layer, 1)[name], name);
        Compare.SameBits(made.Network.Weight, layer.Network.Weight.narrow(0, 0, 3));
        result.Preservation!.ReroutedTokens.Should().Be(0);
        result.Preservation.LargestChange.Should().BeLessThan(type == ScalarType.Float32 ? 1e-6 : 1e-14);
        Operating.ShouldBeUnchanged(layer, before);
    }

    [Theory]
    [InlineData(MergedRows.Sum, SoftmaxOrder.AfterSelection, true)]
    [InlineData(MergedRows.Sum, SoftmaxOrder.BeforeSelection, true)]
    [InlineData(MergedRows.Mean, SoftmaxOrder.AfterSelection, false)]
    public void With_dense_routing_the_sum_of_probabilities_keeps_the_output(MergedRows rows, SoftmaxOrder order, bool keeps)
    {
        using var scope = NewDisposeScope();
        using var layer = Make.Layer(Make.Options(experts: 4, topK: 4) with { Softmax = order });
        ExpertRevival.Revive(layer, 3, 0, new() { ExpertNoise = 0, GateNoise = 0 });

        var result = ExpertMerging.Merge(layer, [[0, 3]], rows: rows, topK: 3, probe: Make.Normal(5, 60, 4));
        using var made = result.Layer;

        (result.Preservation!.LargestChange < 1e-14).Should().Be(keeps);
        result.Preservation.ReroutedTokens.Should().Be(0);
    }

    [Fact]
    public void Means_are_weighted_by_use()
    {
        using var scope = NewDisposeScope();
        using var layer = Make.Layer(Make.Options(experts: 4, topK: 2) with { Bias = true, SelectionBias = true, Noise = new LearnedNoise() });
        using (no_grad())
            layer.Network.SelectionBias!.copy_(tensor(new[] { 0.5, 1, -2, 3 }));
        var usage = RoutingReport.FromCounts([30, 5, 10, 5], [30, 5, 10, 5], 25, 2);

        using var weighted = ExpertMerging.Merge(layer, [[0, 2]], usage).Layer;
        using var equal = ExpertMerging.Merge(layer, [[0, 2], [1, 3]]).Layer;
        using var idle = ExpertMerging.Merge(layer, [[0, 2]], RoutingReport.FromCounts([0, 5, 0, 5], [0, 5, 0, 5], 25, 2)).Layer;

        ShouldBeMean(weighted, 0.75);
        ShouldBeMean(equal, 0.5);
        ShouldBeMean(idle, 0.5);
        equal.Experts.Should().HaveCount(2);

        void ShouldBeMean(MixtureOfExperts made, double share)
        {
            foreach (var (name, value) in Operating.Weights(made, 0))
                Compare.Close(value, Operating.Weights(layer, 0)[name] * share + Operating.Weights(layer, 2)[name] * (1 - share), 1e-14, name);
            var (to, from) = (made.Network, layer.Network);
            foreach (var (row, rows) in new (Tensor, Tensor)[] { (to.Weight, from.Weight), (to.Bias!, from.Bias!), (to.NoiseWeight!, from.NoiseWeight!), (to.SelectionBias!, from.SelectionBias!) })
                Compare.Close(row[0], rows[0] * share + rows[2] * (1 - share), 1e-14);
        }
    }

    [Fact]
    public void The_bias_of_a_sum_is_that_of_the_exponentials()
    {
        using var scope = NewDisposeScope();
        using var layer = Make.Layer(Make.Options(experts: 4) with { Bias = true });
        using (no_grad())
            layer.Network.Bias!.copy_(tensor(new[] { Math.Log(2), 1, Math.Log(3), -1 }));

        using var made = ExpertMerging.Merge(layer, [[0, 2]], rows: MergedRows.Sum).Layer;

        Compare.Close(made.Network.Bias!, tensor(new[] { Math.Log(5), 1, -1 }), 1e-14);
    }

    [Fact]
    public void Shared_experts_and_gradients_stay()
    {
        using var scope = NewDisposeScope();
        using var layer = Make.Layer(Make.Options(experts: 5), shared: 2);
        using var made = ExpertMerging.Merge(layer, [[0, 1]]).Layer;

        Operating.Backward(made, Make.Normal(3, 90, 4));

        made.SharedExperts.Should().HaveCount(2);
        made.parameters().Should().OnlyContain(parameter => parameter.is_leaf && parameter.requires_grad && parameter.grad!.abs().max().item<double>() > 0);
    }

    [Fact]
    public void What_does_not_fit_is_refused()
    {
        using var scope = NewDisposeScope();
        using var layer = Make.Layer(Make.Options(experts: 4, topK: 3));
        using var mixed = new MixtureOfExperts(Make.Gate(Make.Options(experts: 3)), [.. StackedExperts.Linear(2, 4, 4, dtype: ScalarType.Float64), new ThirdOfSum()]);
        using var sigmoid = Make.Layer(Make.Options() with { Score = ScoreFunction.Sigmoid });
        using var groups = Make.Layer(Make.Options() with { Selection = new GroupLimitedSelection { Groups = 2, KeptGroups = 1 } });

        Refused(layer, [[0]], "*2 experts or more, got [0]*");
        Refused(layer, [[0, 1], [1, 2]], "*different experts from 0 to 3, got [0, 1, 1, 2]*");
        Refused(layer, [[0, 4]], "*different experts from 0 to 3*");
        Refused(layer, [[0, 1], [2, 3]], "*TopK (3) must lie between 1 and ExpertCount (2)*");
        Refused(mixed, [[0, 2]], "*modules, but expert 2 (ThirdOfSum) is not*");
        Refused(groups, [[0, 1]], "*Selection.Groups (2)*");
        sigmoid.Invoking(l => ExpertMerging.Merge(l, [[0, 1]], rows: MergedRows.Sum)).Should().Throw<ArgumentException>().WithMessage("*Score (Sigmoid) must be Softmax*");
        layer.Invoking(l => ExpertMerging.Merge(l, [[0, 1]], RoutingReport.FromCounts([1], [1], 1, 1))).Should().Throw<ArgumentException>().WithMessage("*4 experts, got one about 1*");

        static void Refused(MixtureOfExperts layer, int[][] groups, string message) =>
            layer.Invoking(l => ExpertMerging.Merge(l, groups)).Should().Throw<ArgumentException>().WithMessage(message);
    }

    [Fact]
    public void Only_the_new_layer_is_left_alive()
    {
        using var layer = Make.Layer(Make.Options(experts: 5) with { Bias = true }, shared: 2);
        using var x = Make.Normal(3, 20, 4);
        LiveTensors.After(() => ExpertMerging.Merge(layer, [[0, 2], [3, 4]], rows: MergedRows.Sum, probe: x).Layer.Dispose()).Should().Be(0);
    }
}
