using Moe.Core;

namespace Moe.Training.Tests.Watching;

/// <summary>Which rules are broken by which numbers.</summary>
public sealed class CollapseAlarmOptionsTests
{
    private static readonly CollapseAlarmOptions Nothing = new() { MaxDeadExperts = null, MinEntropy = null };

    private static readonly GateHealth Well = new() { Tokens = 8, LogitNorm = 4, WeightMargin = 0.5 };

    // Shares 1/2, 1/2, 0, 0: half of ln 4.
    private static readonly RoutingReport Half = RoutingReport.FromCounts([4, 4, 0, 0], [4, 4, 0, 0], 8, 1);

    [Fact]
    public void Each_rule_says_value_and_threshold()
    {
        var options = new CollapseAlarmOptions { MaxDeadExperts = 1, MinEntropy = 0.75, MaxOverMean = 1.5, MaxLogitNorm = 3, MinWeightMargin = 0.6 };

        var broken = options.Broken(Half, Well, nullExperts: 0);

        broken.Select(rule => (rule.Rule, Math.Round(rule.Value, 12), rule.Threshold)).Should().Equal(
            (CollapseRule.DeadExperts, 2, 1), (CollapseRule.Entropy, 0.5, 0.75), (CollapseRule.MaxOverMean, 2, 1.5),
            (CollapseRule.LogitNorm, 4, 3), (CollapseRule.WeightMargin, 0.5, 0.6));
        broken.Select(rule => rule.ToString()).Should().Equal(
            "DeadExperts 2 (at most 1)", "Entropy 0.5 (at least 0.75)", "MaxOverMean 2 (at most 1.5)", "LogitNorm 4 (at most 3)", "WeightMargin 0.5 (at least 0.6)");
    }

    [Fact]
    public void What_lies_on_the_bound_keeps_it()
    {
        var report = RoutingReport.FromCounts([4, 4, 0], [4, 4, 0], 8, 1);
        var options = new CollapseAlarmOptions { MaxDeadExperts = 1, MinEntropy = 0, MaxOverMean = 1.5, MaxLogitNorm = 4, MinWeightMargin = 0.5 };

        options.Broken(report, Well, nullExperts: 0).Should().BeEmpty();
    }

    [Fact]
    public void A_bound_that_is_null_is_not_looked_at() =>
        Nothing.Broken(RoutingReport.FromCounts([9, 0], [9, 0], 9, 1), new GateHealth { Tokens = 9, LogitNorm = 1e9, WeightMargin = 0 }, nullExperts: 0).Should().BeEmpty();

    [Fact]
    public void By_default_one_dead_expert_or_half_the_entropy_is_a_collapse()
    {
        new CollapseAlarmOptions().Broken(RoutingReport.FromCounts([9, 9, 9, 0], [9, 9, 9, 0], 27, 1), Well, nullExperts: 0)
            .Should().ContainSingle().Which.Rule.Should().Be(CollapseRule.DeadExperts);
        new CollapseAlarmOptions().Broken(RoutingReport.FromCounts([97, 1, 1, 1], [97, 1, 1, 1], 100, 1), Well, nullExperts: 0)
            .Should().ContainSingle().Which.Rule.Should().Be(CollapseRule.Entropy);
        new CollapseAlarmOptions().Broken(RoutingReport.FromCounts([4, 3, 2, 1], [4, 3, 2, 1], 10, 1), Well, nullExperts: 0).Should().BeEmpty();
    }

    [Fact]
    public void Null_experts_do_not_count_as_dead_and_one_expert_has_no_entropy()
    {
        new CollapseAlarmOptions().Broken(Half, Well, nullExperts: 2).Should().NotContain(rule => rule.Rule == CollapseRule.DeadExperts);
        (new CollapseAlarmOptions() with { MinEntropy = 1 }).Broken(RoutingReport.FromCounts([9], [9], 9, 1), Well, nullExperts: 0).Should().BeEmpty();
    }

    [Fact]
    public void What_is_out_of_range_is_refused_with_every_value()
    {
        var options = new CollapseAlarmOptions { Window = 0, MaxDeadExperts = -1, MinEntropy = 1.5, MaxOverMean = 0.5, MaxLogitNorm = 0, MinWeightMargin = double.NaN };

        FluentActions.Invoking(() => new CollapseAlarm(options)).Should().Throw<ArgumentException>().WithParameterName("options")
            .WithMessage("*Window (0)*MaxDeadExperts (-1)*MinEntropy (1.5)*MaxOverMean (0.5)*MaxLogitNorm (0)*MinWeightMargin (NaN)*");
        FluentActions.Invoking(() => new CollapseAlarm(Nothing)).Should().NotThrow("an alarm may be there for its window alone");
    }
}
