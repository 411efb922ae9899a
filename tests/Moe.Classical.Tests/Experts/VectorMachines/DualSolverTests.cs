using CsCheck;

namespace Moe.Classical.Tests;

public sealed class DualSolverTests
{
    [Fact]
    public void The_solution_obeys_constraints_and_optimality_conditions_on_random_problems() =>
        Gen.Select(Gen.Int[0, 100_000], Gen.Int[2, 40], Gen.Double[-3, 3]).Sample(
            (seed, count, logCost) =>
            {
                var problem = MachineProblem.Random(seed, count, Math.Pow(10, logCost));
                var solution = problem.Solve(1e-6);

                solution.Converged.Should().BeTrue();
                var beta = solution.Coefficients;
                beta.Sum().Should().BeApproximately(0, 1e-9 * (1 + problem.Upper.Sum()));
                var gradient = problem.Gradient(beta);
                for (var row = 0; row < count; row++)
                {
                    beta[row].Should().BeInRange(problem.Lower[row], problem.Upper[row]);
                    var slack = 1e-5;
                    if (beta[row] < problem.Upper[row])
                        gradient[row].Should().BeLessThanOrEqualTo(solution.Bias + slack);
                    if (beta[row] > problem.Lower[row])
                        gradient[row].Should().BeGreaterThanOrEqualTo(solution.Bias - slack);
                }
            },
            iter: 60);

    [Theory]
    [InlineData(1, 0.1)]
    [InlineData(2, 1)]
    [InlineData(3, 10)]
    [InlineData(4, 3)]
    public void Its_objective_is_that_of_projected_gradient_steps(int seed, double cost)
    {
        var problem = MachineProblem.Random(seed, 8, cost);
        var expected = problem.Objective(problem.ByProjectedGradient(20_000));
        problem.Objective(problem.Solve().Coefficients).Should().BeApproximately(expected, 1e-6 * (1 + Math.Abs(expected)));
    }

    [Fact]
    public void The_margin_of_separable_rows_is_the_known_one()
    {
        var problem = MachineProblem.Of([[2.0, 0], [5.0, 1], [0.0, 0], [-3.0, 2]], [true, true, false, false], [1e6, 1e6, 1e6, 1e6], MachineProblem.Product);
        var solution = problem.Solve();

        // The boundary is x = 1 with w = (1, 0), which only the nearest two rows hold.
        solution.Coefficients.Should().BeEquivalentTo([0.5, 0, -0.5, 0], options => options.Using<double>(c => c.Subject.Should().BeApproximately(c.Expectation, 1e-7)).WhenTypeIs<double>());
        solution.Bias.Should().BeApproximately(-1, 1e-7);
    }

    [Fact]
    public void A_row_of_twice_the_cost_is_a_row_that_is_there_twice()
    {
        double[][] rows = [[0.1], [1.3], [0.9], [-0.4], [0.7]];
        bool[] first = [true, true, false, false, false];
        var heavy = MachineProblem.Of(rows, first, [1, 2, 1, 1, 2], MachineProblem.Product).Solve(1e-10);
        var twice = MachineProblem.Of([.. rows, rows[1], rows[4]], [.. first, true, false], [1, 1, 1, 1, 1, 1, 1], MachineProblem.Product).Solve(1e-10);

        double Weight(DualSolution solution, double[][] all) => all.Select((row, place) => row[0] * solution.Coefficients[place]).Sum();
        Weight(heavy, rows).Should().BeApproximately(Weight(twice, [.. rows, rows[1], rows[4]]), 1e-8);
        heavy.Bias.Should().BeApproximately(twice.Bias, 1e-8);
    }

    [Fact]
    public void Equal_rows_of_both_classes_end_at_their_bounds()
    {
        var problem = MachineProblem.Of([[1.0], [1.0], [1.0], [1.0], [1.0]], [true, true, true, false, false], [1, 1, 1, 1, 1], MachineProblem.Product);
        var solution = problem.Solve();

        solution.Converged.Should().BeTrue();
        solution.Coefficients.Skip(3).Should().Equal(-1, -1);
        solution.Bias.Should().BeApproximately(1, 1e-9, "most rows are of the first class");
    }

    [Fact]
    public void It_stops_at_the_most_steps_with_what_obeys_the_constraints()
    {
        var problem = MachineProblem.Random(5, 40, 10);
        var solution = problem.Solve(maxIterations: 3);

        solution.Converged.Should().BeFalse();
        solution.Iterations.Should().Be(3);
        solution.Coefficients.Sum().Should().BeApproximately(0, 1e-9);
        problem.Objective(solution.Coefficients).Should().BeGreaterThan(0).And.BeLessThan(problem.Objective(problem.Solve().Coefficients));
    }

    [Fact]
    public void A_cache_of_two_rows_gives_the_same_solution()
    {
        var problem = MachineProblem.Random(6, 30, 5);
        problem.Solve(cacheBytes: 0).Coefficients.Should().Equal(problem.Solve().Coefficients);
    }

    [Fact]
    public void It_can_be_cancelled()
    {
        var problem = MachineProblem.Random(7, 10, 1);
        var act = () => problem.Solve(cancellation: new CancellationToken(true));
        act.Should().Throw<OperationCanceledException>();
    }
}
