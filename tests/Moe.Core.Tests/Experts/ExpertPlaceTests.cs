using static TorchSharp.torch;

namespace Moe.Core.Tests;

public sealed class ExpertPlaceTests
{
    [Fact]
    public void Every_expert_is_found_in_the_state_of_its_layer()
    {
        using var scope = NewDisposeScope();
        var options = new FeedForwardOptions { InputWidth = 4, HiddenWidth = 3 };
        FeedForwardExpert[] singles = [.. Enumerable.Range(0, 3).Select(_ => new FeedForwardExpert(options))];
        var weights = singles.Select(single => single.get_parameter("up_weight")!.detach().clone()).ToArray();
        using var layer = new MixtureOfExperts(
            new GatingNetwork(new() { InputWidth = 4, ExpertCount = 6 }),
            [singles[0], new DelegateExpert(4, 4, x => x), singles[1], new LinearExpert(4, 4), singles[2], new IdentityExpert(4)]);

        layer.ExpertPlaces.Take(5).Should().Equal(new("experts.0", 0), null, new("experts.0", 1), new("experts.3", null), new("experts.0", 2));
        var state = layer.state_dict();
        foreach (var (single, index) in new[] { 0, 2, 4 }.Select((index, single) => (single, index)))
        {
            var place = layer.ExpertPlaces[index]!;
            Compare.SameBits(state[$"{place.Module}.up_weight"][place.Slice!.Value], weights[single]);
        }
        state.Should().ContainKey($"{layer.ExpertPlaces[3]!.Module}.weight");
    }

    [Fact]
    public void Frozen_experts_lie_in_stacks_of_their_own()
    {
        using var layer = new MixtureOfExperts(new GatingNetwork(new() { InputWidth = 4, ExpertCount = 4 }), StackedExperts.FeedForward(4, new() { InputWidth = 4, HiddenWidth = 3 }));
        layer.ExpertPlaces.Should().Equal(Enumerable.Range(0, 4).Select(index => new ExpertPlace("experts.0", index)));
        using var frozen = ExpertFreezing.Freeze(layer, [1, 2]).Layer;
        frozen.ExpertPlaces.Should().Equal(new("experts.0", 0), new("experts.1", 0), new("experts.1", 1), new("experts.3", 0));
    }

    [Fact]
    public void Options_of_a_feed_forward_expert_are_known_alone_and_in_a_stack()
    {
        var options = new FeedForwardOptions { InputWidth = 4, HiddenWidth = 3, Activation = Activation.Relu };
        using var single = new FeedForwardExpert(options);
        using var stack = StackedExperts.FeedForward(2, options);
        using var other = new LinearExpert(4, 4);
        FeedForwardOptions.Of(single).Should().Be(options);
        FeedForwardOptions.Of(stack[1]).Should().Be(options);
        FeedForwardOptions.Of(other).Should().BeNull();
        GatedFeedForwardOptions.Of(single).Should().BeNull();
    }
}
