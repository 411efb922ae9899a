namespace Moe.Classical.Tests;

public sealed class GateDescentTests
{
    [Theory]
    [InlineData(GatedLoss.MixtureLikelihood)]
    [InlineData(GatedLoss.BlendedError)]
    [InlineData(GatedLoss.ExpectedCost)]
    public void The_gradient_of_each_loss_is_that_of_differences(GatedLoss loss)
    {
        var descent = new GateDescent(Problem(loss, 20, 3), 0.3);
        var random = new Random(2);
        for (var place = 0; place < descent.Coefficients.Length; place++)
            descent.Coefficients[place] = random.NextDouble() - 0.5;
        var (gradient, unused) = (new double[descent.Coefficients.Length], new double[descent.Coefficients.Length]);
        descent.Evaluate(gradient);
        for (var place = 0; place < gradient.Length; place++)
        {
            var kept = descent.Coefficients[place];
            descent.Coefficients[place] = kept + 1e-6;
            var above = descent.Evaluate(unused);
            descent.Coefficients[place] = kept - 1e-6;
            var below = descent.Evaluate(unused);
            descent.Coefficients[place] = kept;
            gradient[place].Should().BeApproximately((above - below) / 2e-6, 1e-7);
        }
        gradient.Max(Math.Abs).Should().BeGreaterThan(1e-3);
    }

    [Theory]
    [InlineData(GatedLoss.MixtureLikelihood)]
    [InlineData(GatedLoss.BlendedError)]
    [InlineData(GatedLoss.ExpectedCost)]
    public void No_step_makes_the_objective_more_and_the_end_is_flat(GatedLoss loss)
    {
        var descent = new GateDescent(Problem(loss, 60, 4), 0.01);
        descent.Run(500, CancellationToken.None);
        descent.Converged.Should().BeTrue();
        descent.Trace.Should().BeInDescendingOrder();
        descent.Trace[^1].Should().BeLessThan(descent.Trace[0] - 1e-3);
        var gradient = new double[descent.Coefficients.Length];
        descent.Evaluate(gradient);
        gradient.Max(Math.Abs).Should().BeLessThan(1e-4);
    }

    [Fact]
    public void A_gate_that_is_started_from_is_the_same_gate()
    {
        var problem = Problem(GatedLoss.MixtureLikelihood, 60, 3);
        var first = new GateDescent(problem, 0.01);
        first.Run(500, CancellationToken.None);
        var second = new GateDescent(problem, 0.01);
        second.StartFrom(first.Gate());
        second.Evaluate(new double[second.Coefficients.Length]).Should().BeApproximately(first.Objective, 1e-12);
    }

    [Fact]
    public void A_ridge_keeps_slopes_small_and_leaves_intercepts_alone()
    {
        var problem = Problem(GatedLoss.MixtureLikelihood, 60, 3);
        var descent = new GateDescent(problem, 1e6);
        descent.Run(500, CancellationToken.None);
        using var coefficients = descent.Gate().Coefficients();
        coefficients.narrow(1, 1, 2).abs().max().item<double>().Should().BeLessThan(1e-4);
        coefficients.narrow(1, 0, 1).abs().max().item<double>().Should().BeGreaterThan(1e-3);
    }

    [Fact]
    public void A_row_that_no_expert_makes_possible_has_a_finite_loss()
    {
        var problem = Problem(GatedLoss.MixtureLikelihood, 10, 2);
        problem.LogDensities[0] = problem.LogDensities[1] = double.NegativeInfinity;
        var descent = new GateDescent(problem, 0.1);
        descent.Run(100, CancellationToken.None);
        double.IsFinite(descent.Objective).Should().BeTrue();
    }

    /// <summary>Rows of two columns, answers of two numbers, all at random.</summary>
    private static GateProblem Problem(GatedLoss loss, int rows, int experts)
    {
        var random = new Random(1);
        double[] Draw(int count, double low, double high) => [.. Enumerable.Range(0, count).Select(_ => low + (high - low) * random.NextDouble())];
        return new GateProblem
        {
            Loss = loss,
            Experts = experts,
            Width = 2,
            Columns = 2,
            Rows = Draw(rows * 2, -3, 5),
            Weights = Draw(rows, 0.5, 2),
            LogDensities = Draw(rows * experts, -4, 1),
            Outputs = Draw(rows * experts * 2, -1, 1),
            Targets = Draw(rows * 2, -1, 1),
            Costs = Draw(rows * experts, 0, 3),
            Unit = 0.7,
        };
    }
}
