using static TorchSharp.torch;

namespace Moe.Core.Tests;

/// <summary>What published capacities got wrong, each named after it.</summary>
public sealed class CapacityBugs
{
    // huggingface/transformers #48293, #48421
    [Fact]
    public void Capacity_never_dropped_anything()
    {
        using var scope = NewDisposeScope();
        using var layer = Make.Layer(PublishedGates.Switch(4, 4) with { InputJitter = 0, Capacity = new() { Fixed = 2 } });
        using (no_grad())
            layer.Network.Weight.copy_(eye(4));
        var x = Direct.Repeated(7, 0, 3, 0, 0);
        foreach (var training in new[] { true, false })
        {
            layer.train(training);
            using var result = layer.ForwardWithRouting(x);

            result.Routing.Load.Should().Equal(0, 2, 0, 0);
            result.Routing.Dropped.Should().Be(5);
            Compare.Doubles(result.Output.abs().sum(dim: 1)).Select(size => size > 0).Should().Equal(true, true, false, false, false, false, false);
        }
    }

    // microsoft/DeepSpeed #7986: experts that were not chosen stood at 0 among negative logits, and took the places: 0.001 experts a token were left
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void Negative_logits_lost_their_places_to_experts_that_were_not_chosen(int topK)
    {
        using var scope = NewDisposeScope();
        using var gate = Direct.Gate(Direct.Options(8, topK) with { Capacity = new() { Factor = 1, Overflow = Overflow.Probability } });
        var z = Make.Normal(1, 400, 8) - 20;
        using var decision = gate.Route(z);

        var places = 400 * topK / 8;
        decision.Load.Should().Equal(decision.Assigned.Select(wanted => Math.Min(wanted, places)));
        var (kept, indices, scores) = (Compare.Bools(decision.Kept), Compare.Longs(decision.Indices), Direct.Rows(z.softmax(1)));
        for (var e = 0; e < 8; e++)
        {
            var wanting = Enumerable.Range(0, kept.Length).Where(at => indices[at] == e).ToArray();
            var worstKept = wanting.Where(at => kept[at]).Min(at => scores[at / topK][e]);
            wanting.Where(at => !kept[at]).Should().NotContain(at => scores[at / topK][e] > worstKept);
        }
    }

    // huggingface/transformers, Switch: a dropped token's one-hot row is all zero, and its argmax, the expert it reports, is 0
    [Fact]
    public void A_dropped_token_read_as_sent_to_expert_0()
    {
        using var scope = NewDisposeScope();
        using var gate = Direct.Gate(Direct.Options(3, 1) with { Capacity = new() { Fixed = 1 } });
        using var decision = gate.Route(Direct.Repeated(4, 0, 0, 5));

        decision.Load.Should().Equal(0, 0, 1);
        decision.Assigned.Should().Equal(0, 0, 4);
        Compare.Longs(decision.Indices).Should().Equal(2, 2, 2, 2);
        Direct.Sent(decision).Should().BeEquivalentTo(new int[][] { [2], [], [], [] }, options => options.WithStrictOrdering());
        RoutingTrace.From(decision).Layers[0].States.Should().Equal(TracedState.Kept, TracedState.Dropped, TracedState.Dropped, TracedState.Dropped);
    }

    // NVIDIA/Megatron-LM #5542: capacity counted padding
    [Fact]
    public void Padding_made_experts_larger_and_took_their_places()
    {
        using var scope = NewDisposeScope();
        foreach (var overflow in Enum.GetValues<Overflow>())
        {
            using var gate = Direct.Gate(Direct.Options(2, 1) with { Capacity = new() { Factor = 1, Overflow = overflow } });
            var z = Direct.Repeated(8, 5, 0);
            using var decision = gate.Route(z, Make.Mask(0, 0, 0, 1, 1, 0, 1, 1));

            decision.Capacity.Should().Be(2);
            decision.Load.Should().Equal(2, 0);
            decision.Dropped.Should().Be(2);
            Compare.Bools(decision.Kept).Index().Where(item => item.Item).Should().OnlyContain(item => item.Index == 3 || item.Index == 4 || item.Index >= 6);
        }
    }
}
