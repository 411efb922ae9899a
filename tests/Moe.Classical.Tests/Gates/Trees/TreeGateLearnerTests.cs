using static TorchSharp.torch;

namespace Moe.Classical.Tests;

public sealed class TreeGateLearnerTests
{
    private static readonly GateTree Uneven = GateTree.Branch(GateTree.Leaf(2), GateTree.Branch(GateTree.Leaf(0), GateTree.Leaf(3)), GateTree.Leaf(1));

    [Fact]
    public void A_tree_of_one_branch_is_the_softmax_gate()
    {
        using var scope = NewDisposeScope();
        var (rows, shares, weights) = Case(60, 3);
        var tree = new TreeGateLearner(GateTree.Balanced(3, 3)).Fit(rows, shares, weights, null, FitContext.Default);
        var flat = new SoftmaxGateLearner().Fit(rows, shares, weights, null, FitContext.Default);
        tree.LogProbabilities(rows).sub(flat.LogProbabilities(rows)).abs().max().item<double>().Should().BeLessThan(1e-8);
        tree.DegreesOfFreedom.Should().Be(flat.DegreesOfFreedom);
    }

    [Fact]
    public void Probabilities_sum_to_1_and_multiply_along_the_way()
    {
        using var scope = NewDisposeScope();
        var (rows, shares, weights) = Case(40, 4);
        var gate = (TreeGate)new TreeGateLearner(Uneven).Fit(rows, shares, weights, null, FitContext.Default);
        var g = gate.LogProbabilities(rows).exp();
        g.sum(dim: 1).sub(1).abs().max().item<double>().Should().BeLessThan(1e-12);
        var (top, below) = (gate.Gates[0].LogProbabilities(rows).exp(), gate.Gates[1].LogProbabilities(rows).exp());
        g[.., 3].sub(top[.., 1] * below[.., 1]).abs().max().item<double>().Should().BeLessThan(1e-12);
        g[.., 2].sub(top[.., 0]).abs().max().item<double>().Should().BeLessThan(1e-12);
        gate.DegreesOfFreedom.Should().Be((2 * 3) + (1 * 3));
    }

    [Fact]
    public void A_state_gives_the_same_gate()
    {
        using var scope = NewDisposeScope();
        var (rows, shares, weights) = Case(40, 4);
        var gate = (TreeGate)new TreeGateLearner(Uneven).Fit(rows, shares, weights, null, FitContext.Default);
        using var state = gate.ToState();
        var again = (TreeGate)StoredGates.Read(state);
        again.Tree.ToString().Should().Be("(2 (0 3) 1)");
        again.LogProbabilities(rows).equal(gate.LogProbabilities(rows)).all().item<bool>().Should().BeTrue();
    }

    [Fact]
    public void A_branch_without_weight_is_even_or_keeps_what_it_was()
    {
        using var scope = NewDisposeScope();
        var (rows, shares, _) = Case(40, 4);
        var learner = new TreeGateLearner(GateTree.Balanced(4));
        var before = (TreeGate)learner.Fit(rows, shares, null, null, FitContext.Default);
        var left = tensor(new double[] { 1, 1, 0, 0 }).mul(shares);
        left = left / left.sum(1, keepdim: true);
        var even = learner.Fit(rows, left, null, null, FitContext.Default).LogProbabilities(rows);
        even[.., 2].sub(even[.., 3]).abs().max().item<double>().Should().Be(0);
        var kept = (TreeGate)learner.Fit(rows, left, null, before, FitContext.Default);
        kept.Gates[2].Should().BeSameAs(before.Gates[2]);
    }

    [Fact]
    public void Bad_shapes_are_refused_by_name()
    {
        var twice = () => new TreeGateLearner(GateTree.Branch(GateTree.Leaf(0), GateTree.Leaf(1), GateTree.Leaf(1)));
        twice.Should().Throw<ArgumentException>().WithMessage("Expert 1 is at more than one leaf*");
        var missing = () => new TreeGateLearner(GateTree.Branch(GateTree.Leaf(0), GateTree.Leaf(2)));
        missing.Should().Throw<ArgumentException>().WithMessage("Expert 1 is at no leaf*");
        var single = () => GateTree.Branch(GateTree.Leaf(0));
        single.Should().Throw<ArgumentException>().WithMessage("*at least 2 children*");
        using var scope = NewDisposeScope();
        var (rows, shares, _) = Case(20, 3);
        var fewer = () => new TreeGateLearner(GateTree.Balanced(4)).Fit(rows, shares, null, null, FitContext.Default);
        fewer.Should().Throw<ArgumentException>().WithMessage("*has 4 experts; the shares are of 3*");
    }

    [Fact]
    public void EM_finds_two_levels()
    {
        using var scope = NewDisposeScope();
        var data = TwoLevels(300);
        var members = Enumerable.Range(1, 4).Select(expert => new MixtureMember($"line {expert}", new LinearLearner())).ToArray();
        var options = new EmOptions { Restarts = 1, MaxIterations = 60 };
        var quarter = Quarters(data.Inputs);
        var mixture = new MixtureLearner(members, options, new TreeGateLearner(GateTree.Balanced(4), new() { Ridge = 1e-6 })).Fit(data, responsibilities: quarter.mul(0.7).add(0.075));
        mixture.Gate.Should().BeOfType<TreeGate>();
        var found = mixture.Assign(data.Inputs, data.Response);
        found.eq(quarter.argmax(1)).sum().item<long>().Should().BeGreaterThan(285);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(2)]
    public void EM_never_falls_without_a_ridge(int seed)
    {
        using var scope = NewDisposeScope();
        var trace = Noisy(seed, ridge: 0).Report!.Trace;
        trace.Should().HaveCountGreaterThan(30);
        trace.Zip(trace.Skip(1), (before, after) => after - before).Min().Should().BeGreaterThan(-1e-11 * Math.Abs(trace[^1]), "each M-step is exact; sums are rounded");
    }

    [Fact]
    public void With_a_ridge_the_likelihood_may_fall_and_the_best_is_kept()
    {
        using var scope = NewDisposeScope();
        var mixtures = Enumerable.Range(0, 6).Select(seed => Noisy(seed, ridge: 0.1)).ToArray();
        mixtures.Min(mixture => mixture.Report!.Trace.Zip(mixture.Report.Trace.Skip(1), (before, after) => after - before).Min())
            .Should().BeInRange(-0.1, -1e-4, "what a step makes greater has the ridge in it, and the trace has not");
        mixtures.Should().OnlyContain(mixture => mixture.Report!.LogLikelihood == mixture.Report.Trace.Max());
    }

    private static (Tensor Rows, Tensor Shares, Tensor Weights) Case(int count, int experts)
    {
        var random = new Random(5);
        var rows = tensor(Enumerable.Range(0, count * 2).Select(_ => (random.NextDouble() * 4) - 2).ToArray(), [count, 2]);
        var shares = tensor(Enumerable.Range(0, count * experts).Select(_ => random.NextDouble() + 0.05).ToArray(), [count, experts]);
        return (rows, shares / shares.sum(1, keepdim: true), tensor(Enumerable.Range(0, count).Select(_ => random.NextDouble() + 0.1).ToArray()));
    }

    /// <summary>Four lines by EM from a drawn start, on rows in which experts overlap, so that it takes many steps.</summary>
    private static FittedMixture Noisy(int seed, double ridge)
    {
        var random = new Random(seed);
        var lines = GradientCases.Overlapping(100);
        var (noise, second) = (Draw(), Draw().reshape(100, 1));
        var data = new FitData(cat([lines.Inputs, second], 1), Response.Real(lines.Response.Values.add(noise.mul(seed % 3))));
        var members = Enumerable.Range(1, 4).Select(expert => new MixtureMember($"line {expert}", new LinearLearner())).ToArray();
        var options = new EmOptions { Restarts = 1, MaxIterations = 60, Seed = seed, OnSmall = OnSmall.Keep, Patience = 60, Tolerance = 1e-12 };
        return new MixtureLearner(members, options, new TreeGateLearner(GateTree.Balanced(4), new() { Ridge = ridge })).Fit(data);

        Tensor Draw() => tensor(Enumerable.Range(0, 100).Select(_ => random.NextDouble()).ToArray());
    }

    private static FitData TwoLevels(int count)
    {
        var random = new Random(3);
        var (x, y) = (new double[count * 2], new double[count]);
        for (var row = 0; row < count; row++)
        {
            var (a, b) = ((random.NextDouble() * 2) - 1, (random.NextDouble() * 2) - 1);
            (x[row * 2], x[(row * 2) + 1]) = (a, b);
            var noise = 0.05 * (random.NextDouble() + random.NextDouble() - 1);
            y[row] = noise + (a < 0 ? (b < 0 ? 3 + a : -3 + b) : b < 0.3 ? 6 - a : -6 + a);
        }
        return new FitData(tensor(x, [count, 2]), Response.Real(tensor(y)));
    }

    private static Tensor Quarters(Tensor inputs)
    {
        var (a, b) = (inputs[.., 0], inputs[.., 1]);
        var which = where(a.lt(0), where(b.lt(0), 0L, 1L), where(b.lt(0.3), 2L, 3L));
        return nn.functional.one_hot(which, 4).to(ScalarType.Float64);
    }
}
