using static TorchSharp.torch;

namespace Moe.Core.Tests;

/// <summary>The gate of Jordan and Jacobs 1994: a softmax over groups times a softmax inside the group.</summary>
public sealed class TwoLevelProjectionTests
{
    [Theory]
    [InlineData(1, 1)]
    [InlineData(2, 2)]
    [InlineData(3, 3)]
    [InlineData(4, 6)]
    public void The_weight_of_an_expert_is_that_of_its_group_times_its_own_inside_it(int seed, int groups)
    {
        using var scope = NewDisposeScope();
        using var gate = Make.Gate(PublishedGates.Hierarchical(4, 6, groups) with { Bias = true }, seed);
        var x = Make.Normal(seed + 20, 8, 4);
        using var decision = gate.Route(x);

        var expected = Products(gate, x, groups);
        foreach (var (actual, row) in Direct.Rows(decision.Weights).Zip(expected))
        {
            actual.Sum().Should().BeApproximately(1, 1e-14);
            for (var e = 0; e < 6; e++)
                actual[e].Should().BeApproximately(row[e], 1e-14);
        }
        Compare.Close(decision.Scores, decision.Weights, 1e-15);
    }

    [Theory]
    [InlineData(SoftmaxOrder.AfterSelection)]
    [InlineData(SoftmaxOrder.BeforeSelection)]
    public void Top_k_takes_the_largest_products(SoftmaxOrder order)
    {
        using var scope = NewDisposeScope();
        using var gate = Make.Gate(PublishedGates.Hierarchical(4, 6, 3) with { TopK = 2, Softmax = order });
        var x = Make.Normal(5, 8, 4);
        using var decision = gate.Route(x);

        var weights = Direct.Weights(decision);
        foreach (var (row, t) in Products(gate, x, 3).Select((row, t) => (row, t)))
        {
            var best = Enumerable.Range(0, 6).OrderByDescending(e => row[e]).Take(2).ToArray();
            var divisor = order == SoftmaxOrder.AfterSelection ? best.Sum(e => row[e]) : 1;
            for (var e = 0; e < 6; e++)
                weights[t][e].Should().BeApproximately(best.Contains(e) ? row[e] / divisor : 0, 1e-14);
        }
    }

    private static double[][] Products(GatingNetwork gate, Tensor x, int groups)
    {
        var (group, expert) = (Direct.Rows(x.matmul(gate.GroupWeight!.t())), Direct.Rows(x.matmul(gate.Weight.t()) + (gate.Bias is { } b ? b : 0)));
        var size = expert[0].Length / groups;
        return
        [
            .. group.Zip(expert, (u, v) => Enumerable.Range(0, v.Length).Select(e =>
                Math.Exp(u[e / size]) / u.Sum(Math.Exp) * Math.Exp(v[e]) / v.Skip(e / size * size).Take(size).Sum(Math.Exp)).ToArray()),
        ];
    }
}
