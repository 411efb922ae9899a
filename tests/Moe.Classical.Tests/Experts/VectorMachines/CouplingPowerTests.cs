using CsCheck;

namespace Moe.Classical.Tests;

public sealed class CouplingPowerTests
{
    [Theory]
    [InlineData(0.5)]
    [InlineData(1)]
    [InlineData(2.5)]
    public void It_finds_the_power_that_labels_were_drawn_by(double power)
    {
        var (logs, labels) = Draw(1, 20_000, power);
        CouplingPower.Fit(logs, labels, Ones(labels), 3).Should().BeApproximately(power, 0.05 * power);
    }

    [Fact]
    public void No_other_power_has_a_smaller_loss()
    {
        var (logs, labels) = Draw(2, 50, 1.7);
        double[] weights = [.. Enumerable.Range(0, 50).Select(row => 0.5 + (row % 3))];
        var fitted = CouplingPower.Fit(logs, labels, weights, 3);
        foreach (var power in new[] { fitted - 1e-3, fitted + 1e-3, 0, 1, 8 })
            Loss(logs, labels, weights, power).Should().BeGreaterThan(Loss(logs, labels, weights, fitted));
    }

    [Fact]
    public void It_ends_at_the_optimum_whatever_the_rows() =>
        Gen.Select(Gen.Int[0, 100_000], Gen.Int[1, 300], Gen.Double[0, 4]).Sample(
            (seed, count, power) =>
            {
                var (logs, labels) = Draw(seed, count, power);
                var fitted = CouplingPower.Fit(logs, labels, Ones(labels), 3);
                foreach (var other in new[] { fitted - 1e-2, fitted + 1e-2 }.Where(other => other >= 0))
                    Loss(logs, labels, Ones(labels), other).Should().BeGreaterThan(Loss(logs, labels, Ones(labels), fitted));
            },
            iter: 100);

    [Fact]
    public void Rows_that_are_all_right_give_a_finite_power()
    {
        double[] logs = [.. Enumerable.Range(0, 9).Select(place => place % 4 == 0 ? Math.Log(0.8) : Math.Log(0.1))];
        var power = CouplingPower.Fit(logs, [0, 1, 2], [1, 1, 1], 3);

        // 3·(log-ratio·(p - 1)) + power - 1 = 0 with p = 8ᵖᵒʷᵉʳ / (8ᵖᵒʷᵉʳ + 2).
        var own = Math.Pow(8, power) / (Math.Pow(8, power) + 2);
        (power - 1).Should().BeApproximately(3 * Math.Log(8) * (1 - own), 1e-8).And.BeGreaterThan(0);
    }

    private static double[] Ones(int[] labels) => [.. labels.Select(_ => 1.0)];

    private static double Loss(double[] logs, int[] labels, double[] weights, double power)
    {
        var loss = 0.0;
        for (var row = 0; row < labels.Length; row++)
        {
            var own = logs.Skip(3 * row).Take(3).ToArray();
            loss += weights[row] * (Math.Log(own.Sum(log => Math.Exp(power * log))) - (power * own[labels[row]]));
        }
        return loss + ((power - 1) * (power - 1) / 2);
    }

    private static (double[] Logs, int[] Labels) Draw(int seed, int count, double power)
    {
        var random = new Random(seed);
        var logs = new double[3 * count];
        var labels = new int[count];
        for (var row = 0; row < count; row++)
        {
            var parts = Enumerable.Range(0, 3).Select(_ => 0.02 + random.NextDouble()).ToArray();
            for (var label = 0; label < 3; label++)
                logs[(3 * row) + label] = Math.Log(parts[label] / parts.Sum());
            var chosen = random.NextDouble() * parts.Sum(part => Math.Pow(part, power));
            while (labels[row] < 2 && (chosen -= Math.Pow(parts[labels[row]], power)) > 0)
                labels[row]++;
        }
        return (logs, labels);
    }
}
