using Moe.Core;
using static TorchSharp.torch;

namespace Moe.Classical.Tests;

/// <summary>What the README shows works as it stands there.</summary>
public sealed class ReadmeTests
{
    [Fact]
    public void A_rule_a_tree_and_a_network_share_the_rows_among_them()
    {
        using var scope = NewDisposeScope();
        var (inputs, targets) = Draw(400, seed: 1);
        var (fresh, truth) = Draw(1000, seed: 2);

        var rule = new DelegateExpert(2, 1, x => 3 * x.narrow(1, 1, 1));
        MixtureMember[] experts =
        [
            new("rule", rule),
            new("tree", new DecisionTreeLearner()),
            new("network", new NetworkLearner((d, k) => nn.Sequential(nn.Linear(d, 16), nn.Tanh(), nn.Linear(16, k)))),
        ];
        var mixture = new MixtureLearner(experts).Fit(new FitData(inputs, Response.Real(targets)));
        using var answers = mixture.forward(fresh);
        using var gates = mixture.Gates(fresh);

        Error(answers).Should().BeLessThan(0.7 * Error(rule.forward(fresh)));
        var left = fresh.select(1, 0) < -0.3;
        var right = fresh.select(1, 0) > 0.3;
        gates.select(1, 0)[left].mean().item<double>().Should().BeGreaterThan(2 * gates.select(1, 0)[right].mean().item<double>(), "the rule holds on the left");
        mixture.Report!.ToString().Should().Contain("rule").And.Contain("tree").And.Contain("network");

        double Error(Tensor predictions) => (predictions.reshape(-1) - truth).pow(2).mean().sqrt().item<double>();
    }

    /// <summary>A rule that somebody knows holds on one side, a step on the other.</summary>
    private static (Tensor Inputs, Tensor Targets) Draw(int rows, int seed)
    {
        var generator = new Generator((ulong)seed);
        var inputs = rand(rows, 2, dtype: ScalarType.Float64, generator: generator) * 2 - 1;
        var (left, right) = (3 * inputs.select(1, 1), 2 * inputs.select(1, 1).sign());
        return (inputs, where(inputs.select(1, 0) < 0, left, right) + (0.2 * randn(rows, dtype: ScalarType.Float64, generator: generator)));
    }
}
