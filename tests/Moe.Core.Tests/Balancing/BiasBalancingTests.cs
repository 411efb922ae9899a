using TorchSharp;
using static TorchSharp.torch;

namespace Moe.Core.Tests;

/// <summary>b += u · sign(mean(n) - n), once an optimizer step.</summary>
public sealed class BiasBalancingTests
{
    [Theory]
    [InlineData(false, 0.01, -0.01, 0.01, 0.0)]
    [InlineData(true, 0.0075, -0.0125, 0.0075, -0.0025)]
    public void Experts_with_less_than_their_share_are_preferred(bool centred, double first, double second, double third, double fourth)
    {
        using var scope = NewDisposeScope();
        using var gate = SelectionBalancers.Gate();
        SelectionBalancers.SetBias(gate, 1, 2, 3, 4);

        new BiasBalancing(new() { Rate = 0.01, Centred = centred }).Update(gate, [tensor(new double[] { 2, 6, 1, 3 })]);

        SelectionBalancers.BiasOf(gate).Zip(new double[] { 1, 2, 3, 4 }, (after, before) => after - before)
            .Should().Equal([first, second, third, fourth], (left, right) => Math.Abs(left - right) < 1e-12);
    }

    [Fact]
    public void At_perfect_balance_nothing_moves()
    {
        using var scope = NewDisposeScope();
        using var gate = SelectionBalancers.Gate();

        new BiasBalancing().Update(gate, [full(4, 3.0, dtype: ScalarType.Float64), zeros(4, dtype: ScalarType.Float64)]);

        SelectionBalancers.BiasOf(gate).Should().OnlyContain(bias => bias == 0);
    }

    [Fact]
    public void It_observes_assignments_before_capacity_drops_any_and_without_padding()
    {
        using var scope = NewDisposeScope();
        using var gate = Make.Gate(Make.Options() with { SelectionBias = true, Capacity = new() { Fixed = 1 } });
        using var decision = gate.Route(Make.Normal(2, 8, 4), Make.Mask(1, 1, 1, 1, 1, 1, 0, 0));

        using var observed = new BiasBalancing().Observe(gate, decision);

        decision.Dropped.Should().BePositive();
        observed.dtype.Should().Be(ScalarType.Float64);
        Compare.Longs(observed).Should().Equal(decision.Assigned);
        decision.Assigned.Sum().Should().Be(12);
    }

    [Fact]
    public void Micro_batches_move_it_once_as_the_whole_batch_would()
    {
        using var scope = NewDisposeScope();
        using var gate = SelectionBalancers.Skewed();
        using var twin = SelectionBalancers.Skewed();
        var x = Make.Normal(2, 24, 4);
        var balancer = new BiasBalancing();

        balancer.Update(gate, [.. x.chunk(3).Select(tokens => balancer.Observe(gate, gate.Route(tokens)))]);
        balancer.Update(twin, [balancer.Observe(twin, twin.Route(x))]);

        SelectionBalancers.BiasOf(gate).Should().Equal(SelectionBalancers.BiasOf(twin)).And.OnlyContain(bias => bias == 0 || Math.Abs(Math.Abs(bias) - 1e-3) < 1e-15);
    }

    [Fact]
    public async Task Two_processes_move_it_as_one_with_the_tokens_of_both()
    {
        using var gate = SelectionBalancers.Skewed();
        using var x = Make.Normal(2, 24, 4);
        SelectionBalancers.Balance(new BiasBalancing(), gate, x);
        using var processes = new TwoProcesses();

        var biases = await processes.Run(process =>
        {
            using var scope = NewDisposeScope();
            using var own = SelectionBalancers.Skewed();
            var balancer = new BiasBalancing();
            balancer.Update(own, [balancer.Observe(own, own.Route(x.chunk(2)[process.Index]))], process);
            return SelectionBalancers.BiasOf(own);
        });

        biases.Should().OnlyContain(bias => bias.SequenceEqual(SelectionBalancers.BiasOf(gate)));
    }

    [Fact]
    public void The_bias_is_never_part_of_the_weights()
    {
        using var scope = NewDisposeScope();
        using var gate = SelectionBalancers.Gate();
        var x = Make.Normal(2, 8, 4);
        using var before = gate.Route(x);
        SelectionBalancers.SetBias(gate, 5, -5, 3, -3);
        using var chosen = gate.Route(x);
        using var forced = gate.Route(x, new RoutingContext { ForcedIndices = before.Indices });

        Compare.Longs(chosen.Indices).Should().Equal(Enumerable.Repeat(new long[] { 0, 2 }, 8).SelectMany(row => row), "the bias decides who is chosen");
        Compare.SameBits(forced.Weights, before.Weights);
        Compare.SameBits(chosen.Scores, before.Scores);
    }

    [Fact]
    public void The_bias_stays_in_Float32_when_the_layer_goes_to_BFloat16()
    {
        using var scope = NewDisposeScope();
        using var layer = Make.Layer(Make.Options() with { SelectionBias = true }, type: ScalarType.Float32);
        layer.to(ScalarType.BFloat16);
        var balancer = new BiasBalancing();
        for (var step = 0; step < 1000; step++)
            balancer.Update(layer.Network, [tensor(new double[] { 0, 1, 2, 1 })]);

        layer.Network.SelectionBias!.dtype.Should().Be(ScalarType.Float32);
        SelectionBalancers.BiasOf(layer.Network).Should().Equal([1, 0, -1, 0], (left, right) => Math.Abs(left - right) < 1e-4, "BFloat16 would stop at 0.25 or so");
        layer.Network.SelectionBias!.requires_grad.Should().BeFalse();
    }

    [Fact]
    public void It_balances_a_skewed_gate()
    {
        using var gate = SelectionBalancers.Skewed();
        using var x = Make.Normal(2, 1024, 4);
        var balancer = new BiasBalancing(new() { Rate = 0.01 });

        var history = Enumerable.Range(0, 100).Select(_ => SelectionBalancers.Balance(balancer, gate, x)).ToArray();

        history[0].Should().BeGreaterThan(2.5);
        history[^1].Should().BeLessThan(1.1);
    }

    [Fact]
    public void Nothing_is_left_behind()
    {
        using var gate = SelectionBalancers.Skewed();
        using var x = Make.Normal(2, 16, 4);

        LiveTensors.After(() => SelectionBalancers.Balance(new BiasBalancing(new() { Centred = true }), gate, x)).Should().Be(0);
        LiveTensors.After(() => SelectionBalancers.Balance(new QuantileBalancing(), gate, x)).Should().Be(0);
    }

    [Fact]
    public void What_cannot_be_balanced_is_refused()
    {
        using var scope = NewDisposeScope();
        using var plain = Make.Gate(Make.Options());
        using var gate = SelectionBalancers.Gate();
        using var decision = plain.Route(Make.Normal(2, 8, 4));
        foreach (SelectionBalancer balancer in new SelectionBalancer[] { new BiasBalancing(), new QuantileBalancing() })
        {
            FluentActions.Invoking(() => balancer.Observe(plain, decision)).Should().Throw<ArgumentException>().WithMessage("Expected a gate with GatingOptions.SelectionBias, got one without.*");
            FluentActions.Invoking(() => balancer.Update(plain, [])).Should().Throw<ArgumentException>().WithMessage("*got one without.*");
            FluentActions.Invoking(() => balancer.Update(gate, [])).Should().Throw<ArgumentException>().WithMessage("Expected at least 1 observation, got 0.*");
            FluentActions.Invoking(() => balancer.Update(gate, [zeros(3)])).Should().Throw<ArgumentException>().WithMessage("Expected observations of shape [4], got [3].*");
            FluentActions.Invoking(() => balancer.Update(gate, null!)).Should().Throw<ArgumentNullException>();
            FluentActions.Invoking(() => balancer.Update(null!, [])).Should().Throw<ArgumentNullException>();
            FluentActions.Invoking(() => balancer.Observe(gate, null!)).Should().Throw<ArgumentNullException>();
        }
        FluentActions.Invoking(() => new BiasBalancing(new() { Rate = 0 })).Should().Throw<ArgumentException>().WithMessage("*Rate (0) must be positive and finite.*");
        FluentActions.Invoking(() => new QuantileBalancing(new() { Memory = 1 })).Should().Throw<ArgumentException>().WithMessage("*Memory (1) must be 0 or more, and below 1.*");
    }
}
