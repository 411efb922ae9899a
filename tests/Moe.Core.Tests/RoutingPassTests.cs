using static TorchSharp.torch;

namespace Moe.Core.Tests;

/// <summary>A pass collects what it is handed through, owns it, and knows of nothing else.</summary>
public sealed class RoutingPassTests
{
    [Fact]
    public void Decisions_of_several_layers_come_in_order_and_survive_the_scopes_of_the_model()
    {
        using var first = Make.Layer(Make.Options(), 1);
        using var second = Make.Layer(Make.Options(experts: 3, topK: 1), 2);
        using var pass = new RoutingPass();
        using var x = Make.Normal(1, 6, 4);
        using (NewDisposeScope())
            second.forward(first.forward(x, pass), pass);

        pass.Layers.Select(layer => layer.Layer).Should().Equal(first, second);
        var (layer, decision) = pass.Layers[1];
        layer.Should().BeSameAs(second);
        decision.Tensors.Should().OnlyContain(part => !part.IsInvalid);
        decision.ExpertCount.Should().Be(3);
    }

    [Fact]
    public void A_layer_that_runs_twice_is_there_twice()
    {
        using var scope = NewDisposeScope();
        using var layer = Make.Layer(Make.Options());
        using var pass = new RoutingPass();

        layer.forward(Make.Normal(1, 3, 4), pass);
        layer.forward(Make.Normal(2, 5, 4), pass);

        pass.Layers.Should().OnlyContain(routing => routing.Layer == layer);
        pass.Layers.Select(routing => routing.Decision.TokenCount).Should().Equal(3, 5);
    }

    [Fact]
    public void Passes_of_micro_batches_and_forwards_without_one_do_not_mix()
    {
        using var scope = NewDisposeScope();
        using var layer = Make.Layer(Make.Options());
        using var first = new RoutingPass();
        using var second = new RoutingPass();

        layer.forward(Make.Normal(1, 3, 4), first);
        layer.forward(Make.Normal(2, 5, 4), second);
        layer.forward(Make.Normal(1, 3, 4));

        first.Layers.Should().ContainSingle().Which.Decision.TokenCount.Should().Be(3);
        second.Layers.Should().ContainSingle().Which.Decision.TokenCount.Should().Be(5);
    }

    [Fact]
    public void Losses_of_accumulated_passes_reach_the_gate()
    {
        using var scope = NewDisposeScope();
        using var layer = Make.Layer(Make.Options());
        foreach (var seed in new[] { 1, 2 })
        {
            using var pass = new RoutingPass();
            using var output = layer.forward(Make.Normal(seed, 5, 4), pass);
            LoadBalance.Loss(pass.Layers[0].Decision).backward();
        }

        using var both = new RoutingPass();
        var accumulated = layer.Gate.Weight.grad!.clone();
        layer.zero_grad();
        layer.forward(Make.Normal(1, 5, 4), both);
        layer.forward(Make.Normal(2, 5, 4), both);
        (LoadBalance.Loss(both.Layers[0].Decision) + LoadBalance.Loss(both.Layers[1].Decision)).backward();
        Compare.Close(accumulated, layer.Gate.Weight.grad!, 1e-14);
    }

    [Fact]
    public void The_mask_of_the_pass_is_the_mask_of_the_layer()
    {
        using var scope = NewDisposeScope();
        using var layer = Make.Layer(Make.Options(), shared: 1);
        var x = Make.Normal(1, 5, 4);
        var mask = Make.Mask(1, 0, 1, 1, 0);
        using var pass = new RoutingPass(mask);
        using var expected = layer.ForwardWithRouting(x, mask);

        Compare.SameBits(layer.forward(x, pass), expected.Output);
        pass.Mask.Should().BeSameAs(mask);
        pass.Layers[0].Decision.ValidTokens.Should().Be(3);
        pass.Dispose();
        mask.IsInvalid.Should().BeFalse("the mask is the caller's");
    }

    [Fact]
    public void Disposed_it_releases_its_decisions_and_takes_no_more()
    {
        using var scope = NewDisposeScope();
        using var layer = Make.Layer(Make.Options());
        var pass = new RoutingPass();
        layer.forward(Make.Normal(1, 5, 4), pass);
        var decision = pass.Layers[0].Decision;
        using var other = layer.Gate.Route(Make.Normal(1, 5, 4));

        pass.Dispose();
        pass.Dispose();

        decision.Tensors.Should().OnlyContain(part => part.IsInvalid);
        pass.Layers.Should().BeEmpty();
        pass.Invoking(p => p.Add(layer, other)).Should().Throw<ObjectDisposedException>();
        layer.Invoking(l => l.forward(Make.Normal(1, 5, 4), pass)).Should().Throw<ObjectDisposedException>();
        other.Weights.IsInvalid.Should().BeFalse("a pass does not take what it refuses");
    }

    [Fact]
    public void What_is_added_must_be_there_and_alive()
    {
        using var scope = NewDisposeScope();
        using var layer = Make.Layer(Make.Options());
        using var pass = new RoutingPass();
        var decision = layer.Gate.Route(Make.Normal(1, 5, 4));

        pass.Invoking(p => p.Add(null!, decision)).Should().Throw<ArgumentNullException>().WithParameterName("layer");
        pass.Invoking(p => p.Add(layer, null!)).Should().Throw<ArgumentNullException>().WithParameterName("decision");
        layer.Invoking(l => l.forward(Make.Normal(1, 5, 4), null!)).Should().Throw<ArgumentNullException>().WithParameterName("pass");
        decision.Dispose();
        pass.Invoking(p => p.Add(layer, decision)).Should().Throw<ObjectDisposedException>();
        pass.Layers.Should().BeEmpty();
    }

    [Fact]
    public void A_view_without_mask_adds_to_the_pass_and_owns_nothing()
    {
        using var scope = NewDisposeScope();
        using var layer = Make.Layer(Make.Options());
        using var pass = new RoutingPass(Make.Mask(1, 0));
        using (var view = pass.Unmasked())
        {
            view.Mask.Should().BeNull();
            view.Unmasked().Should().BeSameAs(view);
            layer.forward(Make.Normal(1, 5, 4), view);
            view.Layers.Should().ContainSingle();
        }

        pass.Layers.Should().ContainSingle().Which.Decision.Weights.IsInvalid.Should().BeFalse();
        var late = pass.Unmasked();
        pass.Dispose();
        layer.Invoking(l => l.forward(Make.Normal(1, 5, 4), late)).Should().Throw<ObjectDisposedException>();
    }
}
