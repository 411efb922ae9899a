using static TorchSharp.torch;

namespace Moe.Core.Tests;

/// <summary>The report's numbers, worked out by hand.</summary>
public sealed class RoutingReportTests
{
    [Fact]
    public void Numbers_are_those_of_the_definitions()
    {
        // 8 tokens with 2 choices each: shares 1/2, 1/4, 1/4, 0; of the first expert's 8 assignments 4 were dropped.
        var report = RoutingReport.FromCounts([4, 4, 4, 0], [8, 4, 4, 0], tokens: 8, topK: 2);

        (report.ExpertCount, report.TopK, report.Tokens).Should().Be((4, 2, 8L));
        report.Load.Should().Equal(4, 4, 4, 0);
        report.Assigned.Should().Equal(8, 4, 4, 0);
        report.Share.Should().Equal(0.5, 0.25, 0.25, 0);
        report.Entropy.Should().BeApproximately(1.5 * Math.Log(2), 1e-15);
        report.CoefficientOfVariation.Should().BeApproximately(Math.Sqrt((0.0625 + 0 + 0 + 0.0625) / 4) / 0.25, 1e-15);
        report.MaxOverMean.Should().Be(2);
        report.DroppedShare.Should().Be(0.25);
        report.DeadExperts.Should().Equal(3);
        report.ToString().Should().Be("8 tokens, top-2 of 4: entropy 1.040 of 1.386, max/mean 2.00, dropped 25.0%, dead 1");
    }

    [Theory]
    [InlineData(1)]
    [InlineData(5)]
    public void Balance_and_collapse_are_the_ends_of_the_scales(int experts)
    {
        var even = RoutingReport.FromCounts(Counts(_ => 3), Counts(_ => 3), 3 * experts, 1);
        even.Entropy.Should().BeApproximately(Math.Log(experts), 1e-15);
        even.CoefficientOfVariation.Should().BeApproximately(0, 1e-15);
        even.MaxOverMean.Should().BeApproximately(1, 1e-15);
        even.DeadExperts.Should().BeEmpty();

        var collapsed = RoutingReport.FromCounts(Counts(e => e == 0 ? 7 : 0), Counts(e => e == 0 ? 7 : 0), 7, 1);
        collapsed.Entropy.Should().Be(0);
        collapsed.CoefficientOfVariation.Should().BeApproximately(Math.Sqrt(experts - 1), 1e-15);
        collapsed.MaxOverMean.Should().Be(experts);
        collapsed.DeadExperts.Should().HaveCount(experts - 1);

        long[] Counts(Func<int, long> count) => [.. Enumerable.Range(0, experts).Select(count)];
    }

    [Fact]
    public void Nothing_routed_gives_zeros_and_no_NaN()
    {
        var report = RoutingReport.FromCounts([0, 0], [0, 0], 0, 1);

        report.Share.Should().Equal(0, 0);
        (report.Entropy, report.CoefficientOfVariation, report.MaxOverMean, report.DroppedShare).Should().Be((0, 0, 0, 0));
        report.DeadExperts.Should().Equal(0, 1);
    }

    [Fact]
    public void A_report_of_a_decision_has_its_counts_and_outlives_it()
    {
        using var scope = NewDisposeScope();
        using var gate = Make.Gate(Make.Options() with { CapacityFactor = 0.5 });
        var decision = gate.Route(Make.Normal(1, 9, 4), Make.Mask(1, 1, 1, 0, 1, 1, 1, 1, 1));

        decision.Dispose();
        var report = RoutingReport.From(decision);

        report.Load.Should().Equal(decision.Load);
        report.Assigned.Should().Equal(decision.Assigned);
        (report.Tokens, report.TopK).Should().Be((8L, 2));
        report.DroppedShare.Should().BeApproximately(decision.Dropped / 16.0, 1e-15).And.BePositive();
    }

    [Fact]
    public void Reports_of_a_layer_add_up()
    {
        var sum = RoutingReport.Combine([RoutingReport.FromCounts([1, 1], [1, 3], 4, 1), RoutingReport.FromCounts([5, 0], [6, 0], 6, 1)]);

        sum.Load.Should().Equal(6, 1);
        sum.Assigned.Should().Equal(7, 3);
        (sum.Tokens, sum.TopK).Should().Be((10L, 1));
        sum.DroppedShare.Should().BeApproximately(0.3, 1e-15);
    }

    [Fact]
    public void What_does_not_belong_together_is_not_added()
    {
        var one = RoutingReport.FromCounts([1, 1], [1, 1], 2, 1);

        FluentActions.Invoking(() => RoutingReport.Combine(null!)).Should().Throw<ArgumentNullException>();
        FluentActions.Invoking(() => RoutingReport.Combine([])).Should().Throw<ArgumentException>().WithMessage("Expected at least 1 report, got 0.*");
        FluentActions.Invoking(() => RoutingReport.Combine([one, RoutingReport.FromCounts([2], [2], 2, 1)])).Should().Throw<ArgumentException>()
            .WithMessage("Expected reports of one layer (2 experts, top-1), got one with 1 experts, top-1.*");
        FluentActions.Invoking(() => RoutingReport.Combine([one, RoutingReport.FromCounts([1, 1], [1, 1], 1, 2)])).Should().Throw<ArgumentException>()
            .WithMessage("*got one with 2 experts, top-2.*");
        FluentActions.Invoking(() => RoutingReport.From(null!)).Should().Throw<ArgumentNullException>();
    }

    public static TheoryData<long[], long[], long, int, string> Contradictions() => new()
    {
        { [], [], 0, 1, "*load (0) and assigned (0) must have one count an expert.*" },
        { [1, 0], [1], 1, 1, "*load (2) and assigned (1) must have one count an expert.*" },
        { [2, 0], [1, 1], 2, 1, "*No expert can have computed more than was assigned to it, or less than 0.*" },
        { [-1, 0], [1, 1], 2, 1, "*No expert can have computed more than was assigned to it, or less than 0.*" },
        { [1, 1], [1, 1], 2, 2, "*assigned (2 in all) must be tokens (2) times topK (2).*" },
        { [0], [0], 0, 0, "*assigned (0 in all) must be tokens (0) times topK (0).*" },
        { [0], [0], -1, 1, "*assigned (0 in all) must be tokens (-1) times topK (1).*" },
    };

    [Theory]
    [MemberData(nameof(Contradictions))]
    public void Counts_that_contradict_each_other_are_refused(long[] load, long[] assigned, long tokens, int topK, string message) =>
        FluentActions.Invoking(() => RoutingReport.FromCounts(load, assigned, tokens, topK)).Should().Throw<ArgumentException>().WithMessage(message);

    [Fact]
    public void Counts_must_be_there_and_are_copied()
    {
        long[] counts = [1, 1];
        var report = RoutingReport.FromCounts(counts, counts, 2, 1);
        counts[0] = 9;

        report.Load.Should().Equal(1, 1);
        report.Assigned.Should().Equal(1, 1);
        FluentActions.Invoking(() => RoutingReport.FromCounts(null!, counts, 2, 1)).Should().Throw<ArgumentNullException>().WithParameterName("load");
        FluentActions.Invoking(() => RoutingReport.FromCounts(counts, null!, 2, 1)).Should().Throw<ArgumentNullException>().WithParameterName("assigned");
    }
}
