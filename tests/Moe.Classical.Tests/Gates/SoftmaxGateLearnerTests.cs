using Moe.Core;
using static TorchSharp.torch;

namespace Moe.Classical.Tests;

public sealed class SoftmaxGateLearnerTests
{
    [Theory]
    [InlineData(0)]
    [InlineData(0.05)]
    public void At_the_fit_the_objective_is_flat(double ridge)
    {
        using var scope = NewDisposeScope();
        var (rows, targets, weights) = Shares(120, 3, 1);
        var gate = (SoftmaxGate)new SoftmaxGateLearner(new SoftmaxGateOptions { Ridge = ridge }).Fit(rows, targets, weights, null, FitContext.Default);
        var fitted = HostMemory.Of<double>(gate.Coefficients()).ToArray();
        fitted.Take(3).Should().OnlyContain(value => value == 0);
        for (var place = 3; place < fitted.Length; place++)
        {
            double Moved(double by)
            {
                var changed = fitted.ToArray();
                changed[place] += by;
                return Objective(new SoftmaxGate(tensor(changed, [3, 3])), rows, targets, weights, ridge);
            }
            ((Moved(1e-4) - Moved(-1e-4)) / 2e-4).Should().BeApproximately(0, 1e-5);
            Moved(0.1).Should().BeLessThan(Moved(0));
        }
    }

    [Fact]
    public void The_penalty_does_not_depend_on_which_expert_is_first()
    {
        using var scope = NewDisposeScope();
        var (rows, targets, weights) = Shares(90, 3, 2);
        var learner = new SoftmaxGateLearner(new SoftmaxGateOptions { Ridge = 0.1 });
        var first = learner.Fit(rows, targets, weights, null, FitContext.Default).LogProbabilities(rows);
        var turned = learner.Fit(rows, targets.flip(1).contiguous(), weights, null, FitContext.Default).LogProbabilities(rows).flip(1);
        (first - turned).abs().max().item<double>().Should().BeLessThan(1e-8);
    }

    [Fact]
    public void Scaled_weights_and_a_start_elsewhere_change_nothing()
    {
        using var scope = NewDisposeScope();
        var (rows, targets, weights) = Shares(90, 4, 3);
        var learner = new SoftmaxGateLearner(new SoftmaxGateOptions { Ridge = 0.01 });
        var gate = learner.Fit(rows, targets, weights, null, FitContext.Default);
        var elsewhere = new SoftmaxGate(full(4, 3, 0.7, dtype: ScalarType.Float64).mul(arange(4, dtype: ScalarType.Float64).unsqueeze(1)));
        var other = learner.Fit(rows, targets, weights * 100, elsewhere, FitContext.Default);
        (gate.LogProbabilities(rows) - other.LogProbabilities(rows)).abs().max().item<double>().Should().BeLessThan(1e-8);
    }

    [Fact]
    public void A_constant_gate_gives_the_mean_shares()
    {
        using var scope = NewDisposeScope();
        var (rows, targets, weights) = Shares(50, 3, 4);
        var gate = (ConstantGate)new ConstantGateLearner().Fit(rows, targets, weights, null, FitContext.Default);
        var expected = (targets * weights.unsqueeze(1)).sum(dim: 0) / weights.sum();
        for (var expert = 0; expert < 3; expert++)
            gate.Probabilities[expert].Should().BeApproximately(expected[expert].item<double>(), 1e-12);
        gate.DegreesOfFreedom.Should().Be(2);
    }

    [Fact]
    public void Large_and_small_batches_have_the_same_probabilities()
    {
        using var scope = NewDisposeScope();
        var gate = new SoftmaxGate(randn(6, 21, dtype: ScalarType.Float64));
        var rows = randn(20_000, 20, dtype: ScalarType.Float64);
        var all = gate.LogProbabilities(rows);
        (all.narrow(0, 0, 50) - gate.LogProbabilities(rows.narrow(0, 0, 50))).abs().max().item<double>().Should().BeLessThan(1e-12);
        (all.exp().sum(dim: 1) - 1).abs().max().item<double>().Should().BeLessThan(1e-12);
    }

    private static double Objective(SoftmaxGate gate, Tensor rows, Tensor targets, Tensor weights, double ridge)
    {
        var mean = (rows * weights.unsqueeze(1)).sum(dim: 0) / weights.sum();
        var deviation = ((rows - mean).square() * weights.unsqueeze(1)).sum(dim: 0).div(weights.sum()).sqrt();
        var slopes = gate.Coefficients().narrow(1, 1, rows.size(1)) * deviation;
        var penalty = (slopes - slopes.mean([0L], keepdim: true)).square().sum() * (0.5 * ridge) * weights.sum();
        return ((targets * gate.LogProbabilities(rows)).sum(dim: 1) * weights).sum().item<double>() - penalty.item<double>();
    }

    private static (Tensor Rows, Tensor Targets, Tensor Weights) Shares(int rows, int experts, int seed)
    {
        var random = new Random(seed);
        var z = tensor(Enumerable.Range(0, rows * 2).Select(_ => (3 * Draws.Normal(random)) + 1).ToArray(), [rows, 2]);
        var shares = tensor(Enumerable.Range(0, rows * experts).Select(_ => random.NextDouble() + 0.05).ToArray(), [rows, experts]);
        return (z, (shares / shares.sum(1, keepdim: true)).contiguous(), tensor(Enumerable.Range(0, rows).Select(_ => random.NextDouble() + 0.5).ToArray()));
    }
}
