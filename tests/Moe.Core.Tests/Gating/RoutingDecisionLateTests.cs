using static TorchSharp.torch;

namespace Moe.Core.Tests;

/// <summary>What a decision makes only when it is asked for: as if it had been there from the beginning.</summary>
public sealed class RoutingDecisionLateTests
{
    [Fact]
    public void Everything_is_kept_and_counts_are_the_load()
    {
        using var scope = NewDisposeScope();
        using var gate = Make.Gate(Make.Options());
        using var decision = gate.Route(Make.Normal(1, 5, 4));

        Compare.Bools(decision.Kept).Should().HaveCount(10).And.OnlyContain(kept => kept);
        Compare.Longs(decision.Counts).Should().Equal(decision.Load);
        decision.Kept.Should().BeSameAs(decision.Kept);
        decision.Counts.Should().BeSameAs(decision.Counts);
    }

    [Fact]
    public void It_does_not_end_with_a_scope_in_which_somebody_asked()
    {
        using var gate = Make.Gate(Make.Options());
        using var x = Make.Normal(1, 5, 4);
        var decision = gate.Route(x);
        using (NewDisposeScope())
            _ = (decision.Kept, decision.Counts);

        decision.Kept.IsInvalid.Should().BeFalse();
        decision.Counts.IsInvalid.Should().BeFalse();
        var (kept, counts) = (decision.Kept, decision.Counts);
        decision.Dispose();
        kept.IsInvalid.Should().BeTrue();
        counts.IsInvalid.Should().BeTrue();
    }

    [Fact]
    public void It_ends_with_the_scope_of_the_decision()
    {
        using var gate = Make.Gate(Make.Options());
        using var x = Make.Normal(1, 5, 4);

        LiveTensors.After(() =>
        {
            using var scope = NewDisposeScope();
            var decision = gate.Route(x);
            _ = (decision.Kept, decision.Counts);
        }).Should().Be(0);
    }

    [Fact]
    public void It_moves_on_with_the_decision()
    {
        using var gate = Make.Gate(Make.Options());
        using var x = Make.Normal(1, 5, 4);
        using var pass = new RoutingPass();
        using (NewDisposeScope())
        {
            var decision = gate.Route(x);
            _ = decision.Kept;
            pass.Add(gate, decision);
        }

        pass.Layers[0].Decision.Kept.IsInvalid.Should().BeFalse();
        pass.Layers[0].Decision.Counts.IsInvalid.Should().BeFalse();
    }

    [Fact]
    public void A_decision_that_has_ended_makes_nothing_more()
    {
        using var gate = Make.Gate(Make.Options());
        using var x = Make.Normal(1, 5, 4);
        var decision = gate.Route(x);
        decision.Dispose();

        FluentActions.Invoking(() => decision.Kept).Should().Throw<ObjectDisposedException>();
        FluentActions.Invoking(() => decision.Counts).Should().Throw<ObjectDisposedException>();
    }

    [Fact]
    public async Task Threads_that_ask_at_once_get_the_same()
    {
        using var gate = Make.Gate(Make.Options());
        using var x = Make.Normal(1, 5, 4);
        for (var round = 0; round < 50; round++)
        {
            using var decision = gate.Route(x);
            var asked = await Task.WhenAll(Enumerable.Range(0, 4).Select(_ => Task.Run(() => decision.Kept)));

            asked.Should().OnlyContain(kept => ReferenceEquals(kept, decision.Kept) && !kept.IsInvalid);
        }
    }
}
