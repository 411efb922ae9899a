using Moe.Core;
using Moe.Testing;
using static TorchSharp.torch;

namespace Moe.Classical.Tests;

public sealed class TreeRouterTests
{
    private static readonly GateTree Uneven = GateTree.Branch(GateTree.Leaf(2), GateTree.Branch(GateTree.Leaf(0), GateTree.Leaf(3), GateTree.Leaf(1)));

    [Theory]
    [InlineData(ScalarType.Float64, 1e-12)]
    [InlineData(ScalarType.Float32, 2e-5)]
    public void A_layer_answers_as_the_mixture_of_a_tree_does_dense_and_sparse(ScalarType type, double error)
    {
        using var scope = NewDisposeScope();
        var mixture = Mixture();
        var rows = GradientCases.Bent(50, 3).Inputs;
        foreach (var asked in new[] { mixture, mixture.WithTopK(1), mixture.WithTopK(3) })
        {
            using var layer = MixtureLayer.From(asked, type);
            layer.Gate.Should().BeOfType<TreeRouter>();
            layer.call(rows.to(type)).to(ScalarType.Float64).sub(asked.forward(rows)).abs().max().item<double>().Should().BeLessThan(error);
        }
    }

    [Fact]
    public void The_logits_are_the_logs_of_the_leaves_and_equally_probable_experts_go_by_their_order()
    {
        using var scope = NewDisposeScope();
        var mixture = Mixture();
        using var layer = MixtureLayer.From(mixture);
        var rows = GradientCases.Bent(20, 3).Inputs;
        layer.ForwardWithRouting(rows).Routing.Logits.exp().sub(mixture.Gates(rows)).abs().max().item<double>().Should().BeLessThan(1e-12);

        var even = new TreeGate(Uneven, [new SoftmaxGate(zeros(2, 3, dtype: ScalarType.Float64)), new SoftmaxGate(zeros(3, 3, dtype: ScalarType.Float64))], 2);
        var sparse = new FittedMixture(mixture.Components, even, [2, 0], ResponseKind.Real, inputWidth: 3).WithTopK(3);
        using var tied = MixtureLayer.From(sparse);
        tied.ForwardWithRouting(rows).Routing.Indices[0].data<long>().ToArray().Should().Equal(2, 0, 1);
        tied.call(rows).sub(sparse.forward(rows)).abs().max().item<double>().Should().BeLessThan(1e-12);
    }

    [Fact]
    public void Gradients_reach_the_input_and_the_gates()
    {
        using var scope = NewDisposeScope();
        var mixture = Mixture();
        using var layer = MixtureLayer.From(mixture);
        var rows = GradientCases.Bent(6, 3).Inputs;
        var answers = mixture.PredictEach(rows).squeeze(2);
        var input = rows.clone().requires_grad_();
        layer.call(input).sum().backward();

        // The experts are constants to the gradient, so that all of it comes through the gates.
        for (var row = 0; row < 6; row++)
        {
            for (var column = 0; column < 3; column++)
                input.grad![row, column].item<double>().Should().BeApproximately((At(row, column, 1e-5) - At(row, column, -1e-5)) / 2e-5, 1e-7);
        }
        input.grad!.select(1, 0).abs().max().item<double>().Should().BePositive();
        input.grad.select(1, 1).abs().max().item<double>().Should().Be(0, "the gate does not see that column");
        var router = (TreeRouter)layer.Gate;
        router.Weight.grad!.abs().sum(1).min().item<double>().Should().BePositive("each child of each branch is trained");
        router.Bias.grad!.abs().min().item<double>().Should().BePositive();

        double At(int row, int column, double step)
        {
            var moved = rows.clone();
            HostMemory.Of<double>(moved)[(row * 3) + column] += step;
            return mixture.Gates(moved).mul(answers).sum().item<double>();
        }
    }

    [Fact]
    public void It_obeys_the_contract_of_routers() => new RouterContract(
        given =>
        {
            var tree = GateTree.Balanced(given.ExpertCount);
            var children = tree.Branches.Sum(branch => branch.Children.Count);
            using var scope = NewDisposeScope();
            return new TreeRouter(tree, Math.Min(2, given.ExpertCount), randn([children, given.InputWidth], dtype: given.Type, generator: given.Generator), zeros(children, dtype: given.Type));
        },
        new RouterContractOptions { MinimumExperts = 2 }).Verify();

    [Fact]
    public void A_tree_of_one_expert_is_a_layer_too()
    {
        using var scope = NewDisposeScope();
        var one = new FittedMixture([Mixture().Components[0]], new TreeGate(GateTree.Leaf(0), [], 3), null, ResponseKind.Real);
        var rows = GradientCases.Bent(5, 3).Inputs;
        using var layer = MixtureLayer.From(one);
        layer.call(rows).sub(one.forward(rows)).abs().max().item<double>().Should().BeLessThan(1e-12);
    }

    private static FittedMixture Mixture()
    {
        MixtureComponent[] components =
        [
            new("wide", new DelegateExpert(3, 1, rows => rows.sum(1, keepdim: true)), new GaussianNoise(1)),
            new("narrow", new DelegateExpert(1, 1, rows => rows.mul(rows)), new GaussianNoise(2), [1]),
            new("flat", new DelegateExpert(3, 1, rows => rows.narrow(1, 0, 1).mul(0).add(3)), new GaussianNoise(2)),
            new("low", new DelegateExpert(3, 1, rows => rows.narrow(1, 0, 1).mul(0).sub(2)), new GaussianNoise(2)),
        ];
        SoftmaxGate[] gates =
        [
            new(tensor(new double[] { 0, 0, 0, 0.3, 1, -0.5 }, 2, 3)),
            new(tensor(new double[] { 0, 0, 0, 0.1, -0.7, 0.4, -0.2, 0.6, 1.1 }, 3, 3)),
        ];
        return new FittedMixture(components, new TreeGate(Uneven, gates, 2), [2, 0], ResponseKind.Real, inputWidth: 3);
    }
}
