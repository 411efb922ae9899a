using static TorchSharp.torch;

namespace Moe.Core.Tests;

/// <summary>E · Σ p · f, its ends and its gradient.</summary>
public sealed class LoadBalanceTests
{
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(4)]
    public void It_is_one_at_perfect_balance_and_E_at_collapse(int experts)
    {
        using var scope = NewDisposeScope();
        using var gate = new GatingNetwork(Make.Options(experts, topK: 1, width: experts), dtype: ScalarType.Float64);
        using (no_grad())
            gate.Weight.copy_(eye(experts, dtype: ScalarType.Float64) * 100);

        using var even = gate.Route(eye(experts, dtype: ScalarType.Float64));
        using var collapsed = gate.Route(eye(experts, dtype: ScalarType.Float64).narrow(0, 0, 1).expand(5, experts));

        LoadBalance.Loss(even).item<double>().Should().BeApproximately(1, 1e-12);
        LoadBalance.Loss(collapsed).item<double>().Should().BeApproximately(experts, 1e-12);
    }

    [Fact]
    public void Dense_routing_is_balanced_whatever_the_probabilities()
    {
        using var scope = NewDisposeScope();
        using var gate = Make.Gate(Make.Options(topK: 4));

        LoadBalance.Loss(gate.Route(Make.Normal(1, 7, 4))).item<double>().Should().BeApproximately(1, 1e-12);
    }

    [Theory]
    [InlineData(1, false, null)]
    [InlineData(2, false, null)]
    [InlineData(3, true, null)]
    [InlineData(2, true, 0.5)]
    public void Value_and_gradient_are_the_formula_with_f_a_constant(int topK, bool masked, double? capacity)
    {
        using var scope = NewDisposeScope();
        using var gate = Make.Gate(Make.Options(topK: topK) with { CapacityFactor = capacity, Temperature = 0.7 });
        int[] real = masked ? [1, 0, 1, 1, 0, 1, 1, 1, 1] : [1, 1, 1, 1, 1, 1, 1, 1, 1];
        var x = Make.Normal(2, 9, 4);
        Tensor Formula(Tensor input)
        {
            var sum = zeros([], dtype: ScalarType.Float64);
            var tokens = Enumerable.Range(0, 9).Where(t => real[t] == 1).ToArray();
            var probabilities = tokens.Select(t => (gate.Weight.matmul(input[t]) / 0.7).softmax(0)).ToArray();
            var chosen = probabilities.Select(p => Compare.Doubles(p).Select((value, e) => (value, e)).OrderByDescending(pair => pair.value).Take(topK)).ToArray();
            for (var e = 0; e < 4; e++)
            {
                var f = chosen.Sum(row => row.Count(pair => pair.e == e)) / (double)(tokens.Length * topK);
                sum = sum + probabilities.Select(p => p[e]).Aggregate((left, right) => left + right) / tokens.Length * f;
            }
            return sum * 4;
        }
        Tensor Loss(Tensor input) => LoadBalance.Loss(gate.Route(input, masked ? Make.Mask(real) : null));

        Compare.Close(Loss(x), Formula(x), 1e-12);
        var gradients = Make.Gradients(gate, x, Loss);
        Make.SameGradients(gradients, Make.Gradients(gate, x, Formula), 1e-12);
        gradients["weight"].abs().max().item<double>().Should().BeGreaterThan(1e-4);
    }

    [Fact]
    public void Descending_it_balances_a_gate()
    {
        using var scope = NewDisposeScope();
        using var gate = Make.Gate(Make.Options(topK: 1) with { Bias = true });
        using (no_grad())
            gate.Bias!.copy_(tensor(new double[] { 3, 0, 0, 0 }));
        using var optimizer = optim.SGD(gate.parameters(), 0.5);
        var x = Make.Normal(1, 64, 4);
        double Step()
        {
            gate.zero_grad();
            using var inner = NewDisposeScope();
            var loss = LoadBalance.Loss(gate.Route(x));
            loss.backward();
            optimizer.step();
            return loss.item<double>();
        }

        var first = Step();
        for (var i = 0; i < 100; i++)
            Step();

        first.Should().BeGreaterThan(2);
        Step().Should().BeLessThan(1.2);
    }

    [Fact]
    public void It_leaves_nothing_but_itself_alive_and_its_decision_alone()
    {
        using var gate = Make.Gate(Make.Options());
        using var x = Make.Normal(1, 7, 4);
        using var decision = gate.Route(x);

        LiveTensors.After(() => LoadBalance.Loss(decision).Dispose()).Should().Be(0);
        decision.Tensors.Should().OnlyContain(part => !part.IsInvalid);
    }

    [Fact]
    public void A_decision_must_be_there_and_alive()
    {
        using var gate = Make.Gate(Make.Options());
        using var x = Make.Normal(1, 7, 4);
        var decision = gate.Route(x);
        decision.Dispose();

        FluentActions.Invoking(() => LoadBalance.Loss(null!)).Should().Throw<ArgumentNullException>();
        FluentActions.Invoking(() => LoadBalance.Loss(decision)).Should().Throw<ObjectDisposedException>();
    }
}
