using static TorchSharp.torch;

namespace Moe.Core.Tests;

/// <summary>The L1 term of ReMoE, and the rule for its factor.</summary>
public sealed class ReluL1LossTests
{
    [Theory]
    [InlineData(null, false)]
    [InlineData(null, true)]
    [InlineData(2.0, false)]
    [InlineData(1.5, true)]
    public void It_is_the_mean_that_a_loop_gives(double? topK, bool masked)
    {
        using var scope = NewDisposeScope();
        using var gate = Make.Gate(PublishedGates.ReMoE(4, 4), 5);
        var real = Enumerable.Range(0, 10).Select(token => !masked || token % 3 != 0).ToArray();
        using var decision = gate.Route(Make.Normal(6, 10, 4), masked ? tensor(real) : null);
        var scores = Compare.Doubles(decision.Scores);
        var tokens = real.Count(r => r);

        var expected = 0.0;
        for (var e = 0; e < 4; e++)
        {
            double count = 0, sum = 0;
            for (var t = 0; t < 10; t++)
            {
                count += real[t] && scores[t * 4 + e] > 0 ? 1 : 0;
                sum += real[t] ? Math.Abs(scores[t * 4 + e]) : 0;
            }
            expected += sum / tokens * (topK is { } k ? 4 / (k * tokens) * count : 1);
        }

        new ReluL1Loss(new() { BalancedTopK = topK }).ValueOf(decision).Should().BeApproximately(expected, 1e-12).And.BePositive();
    }

    [Fact]
    public void Its_target_must_be_a_number_of_experts()
    {
        FluentActions.Invoking(() => new ReluL1Loss(new() { BalancedTopK = 0 })).Should().Throw<ArgumentException>()
            .WithMessage("ReluL1Options is not valid: BalancedTopK (0) must be positive and finite, or null.*");
    }

    /// <summary>8 tokens of 4 experts; 1 - k/E = 1/2.</summary>
    [Theory]
    [InlineData(20, 1.2)]
    [InlineData(16, 1)]
    [InlineData(12, 1 / 1.2)]
    [InlineData(0, 1 / 1.2)]
    public void The_factor_grows_while_too_many_experts_are_asked_and_shrinks_while_too_few_are(int assigned, double change)
    {
        var report = RoutingReport.FromCounts([assigned, 0, 0, 0], [assigned, 0, 0, 0], 8, 4);

        new SparsityRule(topK: 2).Next(1e-8, [report]).Should().BeApproximately(1e-8 * change, 1e-22);
    }

    [Fact]
    public void All_layers_are_looked_at_together_and_no_tokens_change_nothing()
    {
        var many = RoutingReport.FromCounts([8, 8], [8, 8], 8, 2);
        var few = RoutingReport.FromCounts([0, 1], [0, 1], 8, 2);
        var rule = new SparsityRule(topK: 1, rate: 2);

        rule.Next(3, [many, few]).Should().Be(6, "17 assignments are more than 16");
        rule.Next(3, [few, few]).Should().Be(1.5);
        rule.Next(3, [RoutingReport.FromCounts([0, 0], [0, 0], 0, 2)]).Should().Be(3);
        rule.Next(3, []).Should().Be(3);
        rule.Next(double.MaxValue, [many]).Should().Be(double.MaxValue, "infinity is no factor");
        SparsityRule.InitialFactor.Should().Be(1e-8);
        (rule.TopK, rule.Rate).Should().Be((1.0, 2.0));
    }

    [Fact]
    public void The_rule_refuses_what_is_out_of_range()
    {
        FluentActions.Invoking(() => new SparsityRule(0, 1)).Should().Throw<ArgumentException>()
            .WithMessage("SparsityRule is not valid: topK (0) must be positive and finite. rate (1) must be above 1, and finite.*");
        FluentActions.Invoking(() => new SparsityRule(1).Next(-1, [])).Should().Throw<ArgumentOutOfRangeException>().WithMessage("The factor (-1) must be 0 or more*");
        FluentActions.Invoking(() => new SparsityRule(1).Next(1, null!)).Should().Throw<ArgumentNullException>();
    }

    /// <summary>Gradient descent on the term alone, with the factor of the rule, brings the gate to k experts a token, and leaves it there.</summary>
    [Fact]
    public void Term_and_rule_together_bring_a_gate_to_the_sparsity_aimed_at()
    {
        using var gate = Make.Gate(PublishedGates.ReMoE(4, 8) with { Bias = true }, 5);
        using var x = Make.Normal(6, 64, 4);
        using var still = Make.Normal(7, 64, 8);
        var rule = new SparsityRule(topK: 2);
        var factor = 1e-3;
        var history = new List<double>();
        for (var step = 0; step < 400; step++)
        {
            using var scope = NewDisposeScope();
            gate.zero_grad();
            using var decision = gate.Route(x);

            // Something that keeps scores up, as a task would.
            ((decision.Scores - still.abs()).square().mean() + new ReluL1Loss().Of(decision) * factor).backward();
            using (no_grad())
            {
                foreach (var parameter in gate.parameters())
                    parameter.sub_(parameter.grad! * 0.3);
            }
            factor = rule.Next(factor, [RoutingReport.From(decision)]);
            history.Add(decision.Assigned.Sum() / 64.0);
        }

        history[0].Should().BeGreaterThan(3);
        history.TakeLast(100).Average().Should().BeApproximately(2, 0.3);
    }
}
