using static TorchSharp.torch;

namespace Moe.Core.Tests;

/// <summary>The bias under which each expert would have got its share.</summary>
public sealed class QuantileBalancingTests
{
    [Theory]
    [InlineData(12, 1, false)]
    [InlineData(12, 2, true)]
    [InlineData(13, 3, false)]
    [InlineData(13, 1, true)]
    [InlineData(2, 1, false)]
    [InlineData(1, 3, false)]
    public void It_observes_the_quantile_that_a_loop_gives(int tokens, int topK, bool masked)
    {
        using var scope = NewDisposeScope();
        using var gate = SelectionBalancers.Gate(topK: topK);
        double[] bias = [0.1, -0.3, 0.2, 0];
        SelectionBalancers.SetBias(gate, bias);
        var real = Enumerable.Range(0, tokens).Where(token => !masked || token % 3 != 0).ToArray();
        using var decision = gate.Route(Make.Normal(3, tokens, 4), masked ? tensor(Enumerable.Range(0, tokens).Select(token => token % 3 != 0).ToArray()) : null);
        var scores = Compare.Doubles(decision.Scores);

        var thresholds = real.ToDictionary(token => token, token => Enumerable.Range(0, 4).Select(e => scores[token * 4 + e] + bias[e]).OrderDescending().ElementAt(topK));
        var place = Math.Min(real.Length * topK / 4, real.Length - 1);
        var expected = Enumerable.Range(0, 4).Select(e => real.Select(token => scores[token * 4 + e] - thresholds[token]).OrderDescending().ElementAt(place));

        using var observed = new QuantileBalancing().Observe(gate, decision);
        Compare.Doubles(observed).Should().Equal(expected, (left, right) => Math.Abs(left - right) < 1e-12);
        observed.requires_grad.Should().BeFalse();
    }

    [Fact]
    public void The_new_bias_is_the_mean_of_what_was_observed_against_the_sign_and_centred()
    {
        using var scope = NewDisposeScope();
        using var gate = SelectionBalancers.Gate();
        Tensor[] observed = [tensor(new double[] { 1, 2, 3, 6 }), tensor(new double[] { 3, 2, 1, 6 })];

        new QuantileBalancing().Update(gate, observed);
        SelectionBalancers.BiasOf(gate).Should().Equal(1, 1, 1, -3);

        new QuantileBalancing(new() { Memory = 0.75 }).Update(gate, [tensor(new double[] { 8, 0, 0, 0 })]);
        SelectionBalancers.BiasOf(gate).Should().Equal(-0.75, 1.25, 1.25, -1.75);
    }

    [Fact]
    public void Where_there_is_nothing_to_choose_or_to_see_the_bias_stays()
    {
        using var scope = NewDisposeScope();
        using var dense = SelectionBalancers.Gate(topK: 4);
        using var gate = SelectionBalancers.Gate();
        var balancer = new QuantileBalancing();
        foreach (var (each, mask) in new[] { (dense, ones(6, dtype: ScalarType.Bool)), (gate, zeros(6, dtype: ScalarType.Bool)) })
        {
            SelectionBalancers.SetBias(each, 0.5, -0.5, 0.25, -0.25);
            balancer.Update(each, [balancer.Observe(each, each.Route(Make.Normal(3, 6, 4), mask))]);
            SelectionBalancers.BiasOf(each).Should().Equal(0.5, -0.5, 0.25, -0.25);
        }
    }

    [Fact]
    public async Task Two_processes_give_the_mean_over_the_micro_batches_of_both()
    {
        using var alone = SelectionBalancers.Skewed();
        using var x = Make.Normal(2, 24, 4);
        var balancer = new QuantileBalancing();
        using (var scope = NewDisposeScope())
            balancer.Update(alone, [.. x.chunk(3).Select(tokens => balancer.Observe(alone, alone.Route(tokens)))]);
        using var processes = new TwoProcesses();

        // One process has two of the three micro-batches.
        var biases = await processes.Run(process =>
        {
            using var scope = NewDisposeScope();
            using var own = SelectionBalancers.Skewed();
            var parts = x.chunk(3);
            balancer.Update(own, [.. (process.Index == 0 ? parts[..2] : parts[2..]).Select(tokens => balancer.Observe(own, own.Route(tokens)))], process);
            return SelectionBalancers.BiasOf(own);
        });

        foreach (var bias in biases)
            bias.Should().Equal(SelectionBalancers.BiasOf(alone), (left, right) => Math.Abs(left - right) < 1e-13);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void It_balances_a_skewed_gate_in_a_few_updates(int topK)
    {
        using var gate = SelectionBalancers.Skewed(topK: topK);
        using var x = Make.Normal(2, 1024, 4);
        var balancer = new QuantileBalancing();

        var history = Enumerable.Range(0, 12).Select(_ => SelectionBalancers.Balance(balancer, gate, x)).ToArray();

        history[0].Should().BeGreaterThan(1.8);
        history[^1].Should().BeLessThan(1.05);
    }
}
