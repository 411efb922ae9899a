using static TorchSharp.torch;

namespace Moe.Core.Tests;

/// <summary>The numbers of a report are those that a loop over the outputs gives.</summary>
public sealed class PreservationReportTests
{
    [Theory]
    [InlineData(ScalarType.Float32)]
    [InlineData(ScalarType.Float64)]
    public void It_says_how_far_outputs_are_apart(ScalarType type)
    {
        using var scope = NewDisposeScope();
        using var before = Make.Layer(Make.Options(), 1, type);
        using var after = Make.Layer(Make.Options(), 2, type);
        var x = Make.Normal(3, type, 5, 8, 4);
        var (old, oldRouting) = before.ForwardWithRouting(x);
        var (now, nowRouting) = after.ForwardWithRouting(x);
        double[] difference = [.. Compare.Doubles(now).Zip(Compare.Doubles(old), (left, right) => left - right)];
        var relative = difference.Chunk(4).Zip(Compare.Doubles(old).Chunk(4), (left, right) => Norm(left) / Norm(right)).ToArray();
        var rerouted = Compare.Longs(oldRouting.Indices).Chunk(2).Zip(Compare.Longs(nowRouting.Indices).Chunk(2)).Count(pair => !pair.First.Order().SequenceEqual(pair.Second.Order()));

        var report = PreservationReport.Compare(before, after, x);

        report.Tokens.Should().Be(40);
        report.LargestChange.Should().BeApproximately(difference.Max(Math.Abs), 1e-12);
        report.MeanChange.Should().BeApproximately(difference.Average(Math.Abs), 1e-12);
        report.LargestRelativeChange.Should().BeApproximately(relative.Max(), 1e-9);
        report.MeanRelativeChange.Should().BeApproximately(relative.Average(), 1e-9);
        report.ReroutedTokens.Should().Be(rerouted).And.BePositive();
        report.IsExact.Should().BeFalse();
        report.ToString().Should().StartWith("40 tokens: change at most ").And.Contain($"rerouted {rerouted}");

        static double Norm(double[] row) => Math.Sqrt(row.Sum(value => value * value));
    }

    [Fact]
    public void A_layer_and_itself_are_the_same()
    {
        using var scope = NewDisposeScope();
        using var layer = Make.Layer(Make.Everything);
        layer.train();

        var report = PreservationReport.Compare(layer, layer, Make.Normal(3, 20, 4));

        report.IsExact.Should().BeTrue("noise has no part in it");
        report.ReroutedTokens.Should().Be(0);
        report.ToString().Should().Be("20 tokens: change at most 0e+0 (mean 0e+0), relative at most 0e+0 (mean 0e+0), rerouted 0, exact");
    }

    [Fact]
    public void Every_module_goes_back_to_its_mode()
    {
        using var scope = NewDisposeScope();
        using var layer = Make.Layer(Make.Options());
        layer.train();
        layer.Gate.eval();

        PreservationReport.Compare(layer, layer, Make.Normal(3, 20, 4));

        layer.training.Should().BeTrue();
        layer.Gate.training.Should().BeFalse();
        layer.Network.Invoking(gate => PreservationReport.Compare(layer, layer, Make.Normal(3, 20, 5))).Should().Throw<ArgumentException>();
        layer.training.Should().BeTrue();
        layer.Gate.training.Should().BeFalse();
    }

    [Fact]
    public void Experts_that_changed_places_are_followed_and_those_gone_make_a_token_rerouted()
    {
        using var scope = NewDisposeScope();
        using var layer = Make.Layer(Make.Options(experts: 3, topK: 1));
        var x = Make.Normal(3, 60, 4);
        var counts = layer.ForwardWithRouting(x).Routing.Load;

        PreservationReport.Compare(layer, layer, x, [0, 1, -1]).ReroutedTokens.Should().Be(counts[2]);
        PreservationReport.Compare(layer, layer, x, [1, 0, 2]).ReroutedTokens.Should().Be(counts[0] + counts[1]);
    }

    [Fact]
    public void What_does_not_fit_is_refused()
    {
        using var scope = NewDisposeScope();
        using var layer = Make.Layer(Make.Options());
        using var wide = Make.Layer(Make.Options(width: 5));
        var x = Make.Normal(3, 20, 4);

        FluentActions.Invoking(() => PreservationReport.Compare(layer, wide, x)).Should().Throw<ArgumentException>().WithMessage("*width 4 to 4*other 5 to 5*");
        FluentActions.Invoking(() => PreservationReport.Compare(layer, layer, x, [0, 1, 4, 2])).Should().Throw<ArgumentException>().WithMessage("*4 entries from -1 to 3, got [0, 1, 4, 2]*");
        FluentActions.Invoking(() => PreservationReport.Compare(layer, layer, x, [0])).Should().Throw<ArgumentException>();
        FluentActions.Invoking(() => PreservationReport.Compare(layer, layer, zeros(0, 4, dtype: ScalarType.Float64))).Should().Throw<ArgumentException>().WithMessage("*at least 1 token*");
    }

    [Fact]
    public void It_leaves_nothing_alive()
    {
        using var layer = Make.Layer(Make.Options());
        using var x = Make.Normal(3, 20, 4);
        LiveTensors.After(() => PreservationReport.Compare(layer, layer, x)).Should().Be(0);
    }
}
