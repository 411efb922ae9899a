using static TorchSharp.torch;

namespace Moe.Core.Tests;

/// <summary>Counts that go beyond a micro-batch.</summary>
public sealed class GlobalBatchTests
{
    private static readonly LoadBalance Loss = new(LoadBalanceOptions.GlobalBatch);

    [Fact]
    public void Micro_batches_together_count_as_the_whole_batch_does()
    {
        using var scope = NewDisposeScope();
        using var gate = Make.Gate(Make.Options(topK: 2) with { Capacity = new() { Fixed = 100 } });
        var x = Make.Normal(2, 12, 4);
        var mask = Make.Mask(1, 1, 1, 0, 1, 1, 1, 1, 0, 0, 1, 1);
        using var whole = gate.Route(x, mask);
        var batch = new GlobalBatch();
        var parts = x.chunk(3).Zip(mask.chunk(3), (tokens, real) => new LayerRouting(gate, gate.Route(tokens, real))).ToArray();
        foreach (var part in parts)
            batch.Add(part);

        batch.Assigned(gate).Should().Equal(whole.Assigned);
        batch.Load(gate).Should().Equal(whole.Load);
        batch.Tokens(gate).Should().Be(9);

        // f is that of the whole batch in each, so that the mean of the losses, weighted by tokens, is the loss of the whole batch.
        var losses = parts.Select(part => Loss.Compute([part], batch).Single().item<double>() * part.Decision.ValidTokens / 9).Sum();
        losses.Should().BeApproximately(Loss.ValueOf(whole), 1e-12);
        parts.Sum(part => Loss.ValueOf(part.Decision) * part.Decision.ValidTokens / 9)
            .Should().NotBeApproximately(losses, 1e-3, "alone, each micro-batch has to be balanced");
    }

    [Fact]
    public void A_micro_batch_knows_those_before_it()
    {
        using var scope = NewDisposeScope();
        using var first = new FixedRouter(tensor(new double[] { 90, 0, 0, 90 }).reshape(2, 2));
        using var second = new FixedRouter(tensor(new double[] { 90, 0, 90, 0 }).reshape(2, 2));
        var batch = new GlobalBatch();
        var one = new LayerRouting(first, first.Decide());
        batch.Add(one);
        Loss.Compute([one], batch).Single().item<double>().Should().BeApproximately(1, 1e-12);

        // The layer is who is counted, whatever it decided by.
        var two = new LayerRouting(first, second.Decide());
        batch.Add(two);
        batch.Assigned(first).Should().Equal(3, 1);
        Loss.Compute([two], batch).Single().item<double>().Should().BeApproximately(2 * 0.75, 1e-12);
    }

    [Fact]
    public void Other_losses_do_not_ask_it()
    {
        using var scope = NewDisposeScope();
        using var router = new FixedRouter(Make.Normal(3, 6, 4));
        LayerRouting[] layers = [new(router, router.Decide())];

        new LoadBalance().Compute(layers, new GlobalBatch()).Single().item<double>().Should().Be(new LoadBalance().Compute(layers).Single().item<double>());
        FluentActions.Invoking(() => Loss.Compute(layers, new GlobalBatch())).Should().Throw<ArgumentException>().WithMessage("*has not been counted in this batch.*");
    }

    [Fact]
    public async Task Two_processes_count_as_one_with_the_tokens_of_both()
    {
        using var gate = Make.Gate(Make.Options(topK: 2));
        using var x = Make.Normal(4, 10, 4);
        using var whole = gate.Route(x);
        using var processes = new TwoProcesses();

        var counted = await processes.Run(process =>
        {
            using var scope = NewDisposeScope();
            var routing = new LayerRouting(gate, gate.Route(x.chunk(2)[process.Index]));
            var batch = new GlobalBatch(process);
            batch.Add(routing);
            return (Assigned: batch.Assigned(gate), Tokens: batch.Tokens(gate), Loss: Loss.Compute([routing], batch).Single().item<double>());
        });

        counted.Should().OnlyContain(one => one.Assigned.SequenceEqual(whole.Assigned) && one.Tokens == 10);
        counted.Average(one => one.Loss).Should().BeApproximately(Loss.ValueOf(whole), 1e-12);
    }
}
