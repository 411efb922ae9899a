using static TorchSharp.torch;

namespace Moe.Core.Tests;

/// <summary>Weights divided by a norm of the chosen scores.</summary>
public sealed class NormTests
{
    [Theory]
    [InlineData(1, 1.0, 1e-20, 1.0)]
    [InlineData(2, 1.0, 0.1, 1.0)]
    [InlineData(3, 2.0, 1e-20, 1.0)]
    [InlineData(4, 3.0, 1e-6, 2.5)]
    [InlineData(5, 1.5, 0.0, 0.3)]
    public void Weights_are_scores_over_their_p_norm_and_epsilon_times_the_factor(int seed, double power, double epsilon, double factor)
    {
        using var scope = NewDisposeScope();
        using var gate = Direct.Gate(Direct.Options(6, 3) with
        {
            Score = ScoreFunction.Sigmoid,
            Renormalize = true,
            NormPower = power,
            NormEpsilon = epsilon,
            ScalingFactor = factor,
        });
        var z = Make.Normal(seed, 20, 6);
        using var decision = gate.Route(z);

        var weights = Direct.Weights(decision);
        foreach (var (row, t) in Direct.Rows(z).Select((row, t) => (row, t)))
        {
            var best = row.Select(logit => 1 / (1 + Math.Exp(-logit))).OrderDescending().Take(3).ToArray();
            var norm = Math.Pow(best.Sum(s => Math.Pow(s, power)), 1 / power) + epsilon;
            weights[t].Where(weight => weight > 0).OrderDescending().Zip(best).Should().HaveCount(3)
                .And.AllSatisfy(pair => pair.First.Should().BeApproximately(factor * pair.Second / norm, 1e-14));
        }
    }

    [Theory]
    [InlineData(1.0)]
    [InlineData(2.0)]
    [InlineData(3.0)]
    public void Gradients_are_those_of_the_quotient(double power)
    {
        using var scope = NewDisposeScope();
        using var gate = Direct.Gate(Direct.Options(3, 3) with { Score = ScoreFunction.Sigmoid, Renormalize = true, NormPower = power });
        var z = Make.Normal(1, 8, 3);

        var actual = Make.Gradients(gate, z, input => gate.Route(input).Weights)["input"];

        // w = s / n: dw_i/ds_j = δ_ij / n - s_i s_j^(p-1) n^(-1-p); ds/dz = s (1 - s).
        var (s, r) = (z.sigmoid(), Make.Normal(99, 8, 3));
        var n = s.pow(power).sum(dim: 1, keepdim: true).pow(1 / power);
        var byScore = r / n - (r * s).sum(dim: 1, keepdim: true) * s.pow(power - 1) * n.pow(-1 - power);
        Compare.Close(actual, byScore * s * (1 - s), 1e-14);
    }

    [Theory]
    [InlineData(1.0, 0.0)]
    [InlineData(1.0, 1e-20)]
    [InlineData(2.0, 0.0)]
    public void Scores_that_are_all_zero_give_weights_of_zero_and_finite_gradients(double power, double epsilon)
    {
        using var scope = NewDisposeScope();
        using var gate = Direct.Gate(
            PublishedGates.ReMoE(4, 4) with { Selection = SelectionRule.TopK, Renormalize = true, NormPower = power, NormEpsilon = epsilon }, ScalarType.Float32);
        var z = cat([-ones(1, 4), ones(1, 4)]);

        Compare.Doubles(gate.Route(z).Weights[0]).Should().Equal(0, 0, 0, 0);
        Compare.Doubles(Make.Gradients(gate, z, input => gate.Route(input).Weights)["input"]).Should().OnlyContain(value => double.IsFinite(value));
    }

    [Fact]
    public void A_scaling_factor_also_scales_a_softmax_over_the_chosen()
    {
        using var scope = NewDisposeScope();
        using var gate = Direct.Gate(Direct.Options(5, 2) with { ScalingFactor = 2.5 });

        Compare.Doubles(gate.Route(Make.Normal(1, 9, 5)).Weights.sum(dim: 1)).Should().AllSatisfy(sum => sum.Should().BeApproximately(2.5, 1e-14));
    }
}
