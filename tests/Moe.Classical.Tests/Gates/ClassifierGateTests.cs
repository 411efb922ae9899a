using Moe.Core;
using static TorchSharp.torch;

namespace Moe.Classical.Tests;

public sealed class ClassifierGateTests
{
    [Fact]
    public void A_tree_as_gate_finds_borders_that_are_not_straight()
    {
        using var scope = NewDisposeScope();
        var (rows, targets) = Ring(400);

        var tree = new ClassifierGateLearner(new DecisionTreeLearner(new() { MinLeafWeight = 10 })).Fit(rows, targets, null, null, FitContext.Default);
        var line = new SoftmaxGateLearner().Fit(rows, targets, null, null, FitContext.Default);

        Agreement(tree).Should().BeGreaterThan(0.9);
        Agreement(line).Should().BeLessThan(0.8);

        double Agreement(IGate gate) => gate.LogProbabilities(rows).exp().mul(targets).sum(dim: 1).mean().item<double>();
    }

    [Fact]
    public void Shares_are_weights_of_rows()
    {
        using var scope = NewDisposeScope();
        var rows = zeros(4, 1, dtype: ScalarType.Float64);
        var targets = tensor(new[] { 0.7, 0.3, 0.7, 0.3, 0.1, 0.9, 0.1, 0.9 }, 4, 2);
        var weights = tensor(new[] { 1.0, 1, 3, 3 });

        var gate = new ClassifierGateLearner(new DecisionTreeLearner(new() { Smoothing = 0 })).Fit(rows, targets, weights, null, FitContext.Default);

        // One leaf: (2 · 0.7 + 6 · 0.1) / 8.
        gate.LogProbabilities(rows).exp()[0, 0].item<double>().Should().BeApproximately(0.25, 1e-12);
    }

    [Fact]
    public void It_is_a_gate_of_EM_and_is_stored_with_the_mixture()
    {
        using var scope = NewDisposeScope();
        var (rows, targets) = Ring(300);
        var response = where(targets.select(1, 0) > 0.5, 3 * rows.select(1, 0), -3 * rows.select(1, 0)) + (0.1 * randn(300, dtype: ScalarType.Float64, generator: new Generator(5)));
        var gate = new ClassifierGateLearner(new DecisionTreeLearner(new() { MinLeafWeight = 10 }));
        var mixture = MixtureLearner.Alike(2, new LinearLearner(), new EmOptions { Seed = 2 }, gate).Fit(new FitData(rows, Response.Real(response)));

        using var state = mixture.ToState();
        var read = StoredExperts.Read(state);

        Error(mixture).Should().BeLessThan(0.6 * Error(new LinearLearner().Fit(new FitData(rows, Response.Real(response)), FitContext.Default)));
        read.forward(rows).data<double>().ToArray().Should().Equal(mixture.forward(rows).data<double>().ToArray());

        double Error(IExpert expert) => (expert.forward(rows).reshape(-1) - response).pow(2).mean().sqrt().item<double>();
    }

    [Fact]
    public void What_is_no_classifier_is_refused()
    {
        FluentActions.Invoking(() => new ClassifierGateLearner(new LinearLearner())).Should().Throw<ArgumentException>().WithMessage("*must take classes; \"linear\"*");
        var rule = new ClassifierGate(new DelegateExpert(1, 2, rows => cat([rows.neg(), rows + 1], 1)));
        rule.Invoking(it => it.ToState()).Should().Throw<NotSupportedException>().WithMessage("*DelegateExpert*");
        rule.Invoking(it => it.LogProbabilities(ones(1, 1, dtype: ScalarType.Float64))).Should().Throw<InvalidOperationException>().WithMessage("*-1*at least 0*");
    }

    /// <summary>Rows in a square; those within a circle belong to the first expert.</summary>
    private static (Tensor Rows, Tensor Targets) Ring(int rows)
    {
        var inputs = (rand(rows, 2, dtype: ScalarType.Float64, generator: new Generator(3)) * 2) - 1;
        var inside = (inputs.pow(2).sum(dim: 1) < 0.5).to(ScalarType.Float64);
        return (inputs, stack([inside, 1 - inside], 1).contiguous());
    }
}
