using static TorchSharp.torch;

namespace Moe.Core.Tests;

/// <summary>L = E · Σ pᵢ · fᵢ.</summary>
public sealed class LoadBalanceTests
{
    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    public void It_is_1_at_perfect_balance(int topK)
    {
        using var scope = NewDisposeScope();
        using var gate = OneHot(4, topK);
        var x = eye(4, dtype: ScalarType.Float64).repeat(5, 1);
        using var decision = gate.Route(x);

        decision.Load.Should().OnlyContain(load => load == 5 * topK);
        LoadBalance.Loss(decision).item<double>().Should().BeApproximately(1, 1e-12);
    }

    [Fact]
    public void It_is_E_when_all_tokens_collapse_onto_one_expert()
    {
        using var scope = NewDisposeScope();
        using var gate = OneHot(4, topK: 1);
        gate.Temperature = 0.01;
        using var decision = gate.Route(eye(4, dtype: ScalarType.Float64)[1].expand(6, 4));

        LoadBalance.Loss(decision).item<double>().Should().BeApproximately(4, 1e-12);
    }

    [Theory]
    [InlineData(1, false)]
    [InlineData(2, false)]
    [InlineData(3, true)]
    [InlineData(4, true)]
    public void It_is_the_sum_that_a_loop_gives(int topK, bool masked)
    {
        using var scope = NewDisposeScope();
        using var gate = Make.Gate(Make.Options(topK: topK) with { Bias = true, Capacity = new() { Factor = 0.5 }, Temperature = 0.7 }, 5);
        var real = Enumerable.Range(0, 14).Select(token => !masked || token % 3 != 0).ToArray();
        using var decision = gate.Route(Make.Normal(6, 14, 4), masked ? tensor(real) : null);
        var (indices, scores) = (Compare.Longs(decision.Indices), Compare.Doubles(decision.Scores));

        var loss = 0.0;
        var tokens = real.Count(r => r);
        for (var e = 0; e < 4; e++)
        {
            double p = 0, f = 0;
            for (var t = 0; t < 14; t++)
            {
                if (!real[t])
                    continue;
                p += scores[t * 4 + e] / tokens;
                for (var k = 0; k < topK; k++)
                    f += indices[t * topK + k] == e ? 1.0 / (tokens * topK) : 0;
            }
            loss += 4 * p * f;
        }

        decision.Dropped.Should().BePositive("shares are counted before capacity drops any");
        LoadBalance.Loss(decision).item<double>().Should().BeApproximately(loss, 1e-12);
    }

    [Fact]
    public void Gradients_flow_through_the_probabilities_only()
    {
        using var scope = NewDisposeScope();
        using var gate = Make.Gate(Make.Options(), 5);
        var x = Make.Normal(6, 14, 4);
        gate.zero_grad();
        using var decision = gate.Route(x);
        LoadBalance.Loss(decision).backward();

        // dL/dz_tj = E/T · p_tj (f_j - Σ_i f_i p_ti).
        var f = tensor(decision.Assigned.Select(count => count / 28.0).ToArray());
        var p = decision.Scores.detach();
        var slope = p * (f - p.matmul(f).unsqueeze(1)) * (4 / 14.0);
        Compare.Close(gate.Weight.grad!, slope.t().matmul(x), 1e-12);
    }

    [Fact]
    public void Padding_changes_neither_value_nor_gradient()
    {
        using var scope = NewDisposeScope();
        using var gate = Make.Gate(Make.Options() with { Bias = true }, 5);
        var x = Make.Normal(6, 10, 4);
        var padded = cat([x, full([3, 4], double.NaN, dtype: ScalarType.Float64)]);
        var mask = Make.Mask([.. Enumerable.Range(0, 13).Select(token => token < 10 ? 1 : 0)]);

        var with = Make.Gradients(gate, padded, input => LoadBalance.Loss(gate.Route(input, mask)));
        var without = Make.Gradients(gate, x, input => LoadBalance.Loss(gate.Route(input)));

        Compare.Close(LoadBalance.Loss(gate.Route(padded, mask)), LoadBalance.Loss(gate.Route(x)), 1e-14);
        Compare.Close(with["weight"], without["weight"], 1e-13);
        Compare.Close(with["bias"], without["bias"], 1e-13);
        Compare.Close(with["input"].narrow(0, 0, 10), without["input"], 1e-13);
    }

    [Fact]
    public void It_has_the_type_of_the_decision_and_leaves_it_alive()
    {
        using var scope = NewDisposeScope();
        using var gate = Make.Gate(Make.Options(), type: ScalarType.Float32);
        using var decision = gate.Route(Make.Normal(6, ScalarType.BFloat16, 10, 4));

        using var loss = LoadBalance.Loss(decision);

        loss.dtype.Should().Be(ScalarType.Float32);
        loss.shape.Should().BeEmpty();
        decision.Scores.IsInvalid.Should().BeFalse();
    }

    [Fact]
    public void It_refuses_no_decision_and_a_disposed_one()
    {
        using var gate = Make.Gate(Make.Options());
        using var x = Make.Normal(6, 10, 4);
        var decision = gate.Route(x);
        decision.Dispose();

        FluentActions.Invoking(() => LoadBalance.Loss(null!)).Should().Throw<ArgumentNullException>();
        FluentActions.Invoking(() => LoadBalance.Loss(decision)).Should().Throw<ObjectDisposedException>();
    }

    /// <summary>Token i (row i of the identity) scores expert i highest, and the next ones in a ring after it.</summary>
    private static GatingNetwork OneHot(int experts, int topK)
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        var gate = new GatingNetwork(Make.Options(experts, topK), dtype: ScalarType.Float64);
        var ring = Enumerable.Range(0, experts * experts)
            .Select(place => (double)(experts - (place / experts - place % experts + experts) % experts)).ToArray();
        gate.Weight.copy_(tensor(ring).reshape(experts, experts));
        return gate;
    }
}
