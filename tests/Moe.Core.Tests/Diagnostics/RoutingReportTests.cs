using static TorchSharp.torch;

namespace Moe.Core.Tests;

/// <summary>Numbers that a reader can check by hand.</summary>
public sealed class RoutingReportTests
{
    [Fact]
    public void Its_numbers_are_those_worked_out_by_hand()
    {
        // 8 assignments: shares 1/2, 1/4, 1/4, 0; expert 0 dropped 2.
        var report = RoutingReport.FromCounts([2, 2, 2, 0], [4, 2, 2, 0], tokens: 8, topK: 1);

        report.ExpertCount.Should().Be(4);
        report.TopK.Should().Be(1);
        report.Tokens.Should().Be(8);
        report.Share.Should().Equal(0.5, 0.25, 0.25, 0);
        report.Entropy.Should().BeApproximately(1.5 * Math.Log(2), 1e-15);
        report.CoefficientOfVariation.Should().BeApproximately(Math.Sqrt(0.5), 1e-15);
        report.MaxOverMean.Should().Be(2);
        report.DroppedShare.Should().Be(0.25);
        report.DeadExperts.Should().Equal(3);
        report.ToString().Should().Be("8 tokens, top-1 of 4: entropy 1.040 of 1.386, max/mean 2.00, dropped 25.0%, dead 1");
    }

    [Fact]
    public void Perfect_balance_and_collapse_are_the_ends_of_the_scale()
    {
        var even = RoutingReport.FromCounts([3, 3, 3, 3], [3, 3, 3, 3], 6, 2);
        (even.Entropy, even.CoefficientOfVariation, even.MaxOverMean, even.DroppedShare).Should().Be((Math.Log(4), 0.0, 1.0, 0.0));
        even.DeadExperts.Should().BeEmpty();

        var collapsed = RoutingReport.FromCounts([0, 9, 0, 0], [0, 9, 0, 0], 9, 1);
        (collapsed.Entropy, collapsed.MaxOverMean).Should().Be((0.0, 4.0));
        collapsed.CoefficientOfVariation.Should().BeApproximately(Math.Sqrt(3), 1e-15);
        collapsed.DeadExperts.Should().Equal(0, 2, 3);
    }

    [Fact]
    public void It_reports_a_decision_that_capacity_and_padding_cut_down()
    {
        using var scope = NewDisposeScope();
        using var gate = Make.Gate(Make.Options(experts: 2, topK: 1) with { Capacity = new() { Factor = 1 } });
        using (no_grad())
            gate.Weight.copy_(tensor(new double[] { 1, 1, 1, 1, 0, 0, 0, 0 }).reshape(2, 4));
        using var decision = gate.Route(ones(6, 4, dtype: ScalarType.Float64), Make.Mask(1, 1, 1, 1, 0, 0));
        var report = RoutingReport.From(decision);
        decision.Dispose();

        report.Load.Should().Equal(2, 0);
        report.Assigned.Should().Equal(4, 0);
        report.Tokens.Should().Be(4);
        report.DroppedShare.Should().Be(0.5);
        RoutingReport.From(decision).ToString().Should().Be(report.ToString(), "the plain numbers outlive the tensors");
    }

    [Fact]
    public void Combined_reports_add_their_counts()
    {
        var report = RoutingReport.Combine([
            RoutingReport.FromCounts([1, 2], [1, 3], 4, 1),
            RoutingReport.FromCounts([0, 5], [0, 6], 6, 1),
            RoutingReport.FromCounts([0, 0], [0, 0], 0, 1),
        ]);

        report.Load.Should().Equal(1, 7);
        report.Assigned.Should().Equal(1, 9);
        report.Tokens.Should().Be(10);
        report.DroppedShare.Should().BeApproximately(0.2, 1e-15);
    }

    [Fact]
    public void Batches_routed_with_different_numbers_of_choices_add_up_under_the_largest()
    {
        // Dense to sparse: 2 tokens to 3 experts each, then 4 tokens to 1 each.
        var report = RoutingReport.Combine([RoutingReport.FromCounts([2, 2, 2], [2, 2, 2], 2, 3), RoutingReport.FromCounts([4, 0, 0], [4, 0, 0], 4, 1)]);

        (report.TopK, report.Tokens).Should().Be((3, 6));
        report.Assigned.Should().Equal(6, 2, 2);
        report.Share.Should().Equal(0.6, 0.2, 0.2);
        RoutingReport.FromCounts(report.Load, report.Assigned, report.Tokens, report.TopK).ToString().Should().Be(report.ToString());
    }

    [Fact]
    public void Tokens_that_a_threshold_sent_to_nobody_give_zeros_and_not_NaN()
    {
        var report = RoutingReport.FromCounts([0, 0], [0, 0], tokens: 5, topK: 2);

        report.Share.Should().Equal(0, 0);
        (report.Entropy, report.CoefficientOfVariation, report.MaxOverMean, report.DroppedShare).Should().Be((0.0, 0.0, 0.0, 0.0));
    }

    [Fact]
    public void A_report_of_no_tokens_is_all_zero()
    {
        var report = RoutingReport.FromCounts([0, 0], [0, 0], 0, 2);

        report.Share.Should().Equal(0, 0);
        (report.Entropy, report.CoefficientOfVariation, report.MaxOverMean, report.DroppedShare).Should().Be((0.0, 0.0, 0.0, 0.0));
        report.DeadExperts.Should().Equal(0, 1);
    }

    [Fact]
    public void A_router_may_choose_fewer_than_K_for_a_token_or_none()
    {
        var few = RoutingReport.FromCounts([2, 1], [3, 1], tokens: 8, topK: 2);
        few.Share.Should().Equal(0.75, 0.25);
        few.DroppedShare.Should().Be(0.25);
        few.MaxOverMean.Should().Be(1.5);

        var none = RoutingReport.FromCounts([0, 0], [0, 0], tokens: 8, topK: 2);
        none.Share.Should().Equal(0, 0);
        (none.Entropy, none.CoefficientOfVariation, none.MaxOverMean, none.DroppedShare).Should().Be((0.0, 0.0, 0.0, 0.0));
        RoutingReport.Combine([few, none]).Share.Should().Equal(few.Share);
    }

    [Fact]
    public void It_reports_a_router_that_leaves_tokens_without_experts()
    {
        using var scope = NewDisposeScope();
        using var gate = Make.Gate(PublishedGates.ReMoE(4, 4));
        using (no_grad())
            gate.Weight.copy_(cat([ones(1, 4), -ones(1, 4), zeros(2, 4)]));
        using var decision = gate.Route(cat([ones(3, 4), -ones(1, 4), zeros(2, 4)]).to(ScalarType.Float64));
        var report = RoutingReport.From(decision);

        report.Assigned.Should().Equal(3, 1, 0, 0);
        report.Tokens.Should().Be(6);
        report.Share.Should().Equal(0.75, 0.25, 0, 0);
        RoutingReport.FromCounts(report.Load, report.Assigned, report.Tokens, report.TopK).ToString().Should().Be(report.ToString());
    }

    [Fact]
    public void What_contradicts_itself_is_refused()
    {
        FluentActions.Invoking(() => RoutingReport.From(null!)).Should().Throw<ArgumentNullException>();
        FluentActions.Invoking(() => RoutingReport.Combine(null!)).Should().Throw<ArgumentNullException>();
        FluentActions.Invoking(() => RoutingReport.FromCounts(null!, [1], 1, 1)).Should().Throw<ArgumentNullException>();
        FluentActions.Invoking(() => RoutingReport.FromCounts([1], null!, 1, 1)).Should().Throw<ArgumentNullException>();
        FluentActions.Invoking(() => RoutingReport.Combine([])).Should().Throw<ArgumentException>().WithMessage("Expected at least 1 report, got 0.*");
        FluentActions.Invoking(() => RoutingReport.Combine([RoutingReport.FromCounts([1, 0], [1, 0], 1, 1), RoutingReport.FromCounts([1, 1, 0], [1, 1, 0], 1, 2)]))
            .Should().Throw<ArgumentException>().WithMessage("Expected reports of one layer (2 experts), got one with 3 experts.*");
        FluentActions.Invoking(() => RoutingReport.FromCounts([2], [1], 1, 1)).Should().Throw<ArgumentException>()
            .WithMessage("RoutingReport is not valid: No expert can have computed more than was assigned to it, or less than 0.*");
        FluentActions.Invoking(() => RoutingReport.FromCounts([1], [7], 3, 2)).Should().Throw<ArgumentException>()
            .WithMessage("*assigned (7 in all) must be at most tokens (3) times topK (2).*");
        FluentActions.Invoking(() => RoutingReport.FromCounts([1], [1, 1], 2, 1)).Should().Throw<ArgumentException>()
            .WithMessage("*load (1) and assigned (2) must have one count an expert.*");
    }
}
