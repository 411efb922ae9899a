using static TorchSharp.torch;

namespace Moe.Core.Tests;

/// <summary>One collector a forward pass, through every way in which passes are run.</summary>
public sealed class RoutingPassTests
{
    [Fact]
    public void It_collects_all_layers_in_the_order_of_their_run()
    {
        using var scope = NewDisposeScope();
        using var first = Make.Layer(Make.Options(), 1);
        using var second = Make.Layer(Make.Options(experts: 3), 2);
        using var pass = new RoutingPass();

        using var output = second.forward(first.forward(Make.Normal(1, 5, 4), pass), pass);

        pass.Layers.Select(layer => layer.Layer).Should().Equal(first, second);
        var (module, decision) = pass.Layers[1];
        module.Should().BeSameAs(second);
        decision.ExpertCount.Should().Be(3);
    }

    [Fact]
    public void A_layer_that_runs_twice_is_there_twice()
    {
        using var scope = NewDisposeScope();
        using var layer = Make.Layer(Make.Options());
        using var pass = new RoutingPass();

        layer.forward(layer.forward(Make.Normal(1, 5, 4), pass), pass);

        pass.Layers.Should().HaveCount(2).And.OnlyContain(routing => ReferenceEquals(routing.Layer, layer));
        pass.Layers[0].Decision.Should().NotBeSameAs(pass.Layers[1].Decision);
    }

    [Fact]
    public void Accumulated_gradients_of_two_passes_are_the_sum_of_the_single_ones()
    {
        using var scope = NewDisposeScope();
        using var layer = Make.Layer(Make.Options());
        Tensor Loss(int seed)
        {
            using var pass = new RoutingPass();
            var output = layer.forward(Make.Normal(seed, 6, 4), pass);
            var balance = LoadBalance.Loss(pass.Layers.Single().Decision);
            return output.square().sum() + balance;
        }
        Tensor Gradient(params int[] seeds)
        {
            layer.zero_grad();
            foreach (var seed in seeds)
                Loss(seed).backward();
            return layer.Network.Weight.grad!.clone();
        }

        Compare.Close(Gradient(1, 2), Gradient(1) + Gradient(2), 1e-12);
    }

    [Fact]
    public void A_forward_that_is_run_again_without_a_pass_counts_nothing()
    {
        using var scope = NewDisposeScope();
        using var layer = Make.Layer(Make.Options());
        using var pass = new RoutingPass();
        var x = Make.Normal(1, 5, 4);
        var output = layer.forward(x, pass);

        Compare.SameBits(layer.forward(x), output);

        pass.Layers.Should().ContainSingle();
    }

    [Fact]
    public void Decisions_survive_the_scopes_of_the_model_and_end_with_the_pass()
    {
        using var layer = Make.Layer(Make.Options());
        using var x = Make.Normal(1, 5, 4);
        RoutingDecision decision;
        LiveTensors.After(() =>
        {
            using var pass = new RoutingPass();
            using (NewDisposeScope())
            {
                using (NewDisposeScope())
                    layer.forward(x, pass);
                layer.forward(x, pass).sum().backward();
            }
            decision = pass.Layers[0].Decision;
            decision.Scores.IsInvalid.Should().BeFalse();
            LoadBalance.Loss(decision).Dispose();
            pass.Dispose();
            decision.Scores.IsInvalid.Should().BeTrue();
        }).Should().Be(0);
    }

    [Fact]
    public void After_its_end_it_takes_nothing_and_the_layer_works_on()
    {
        using var scope = NewDisposeScope();
        using var layer = Make.Layer(Make.Options());
        var x = Make.Normal(1, 5, 4);
        var pass = new RoutingPass();
        var before = layer.forward(x, pass);
        pass.Dispose();
        pass.Dispose();

        LiveTensors.After(() => layer.Invoking(l => l.forward(x, pass)).Should().Throw<ObjectDisposedException>()).Should().Be(0);
        pass.Layers.Should().BeEmpty();
        using var decision = layer.Gate.Route(x);
        pass.Invoking(p => p.Add(layer, decision)).Should().Throw<ObjectDisposedException>();
        decision.Scores.IsInvalid.Should().BeFalse();
        Compare.SameBits(layer.forward(x), before);
    }

    [Fact]
    public void Its_mask_is_the_layers_mask()
    {
        using var scope = NewDisposeScope();
        using var layer = Make.Layer(Make.Options());
        var mask = Make.Mask(1, 0, 1);
        using var pass = new RoutingPass(mask);
        var x = Make.Normal(1, 3, 4);

        pass.Mask.Should().BeSameAs(mask);
        Compare.SameBits(layer.forward(x, pass), layer.ForwardWithRouting(x, mask).Output);
        pass.Layers[0].Decision.ValidTokens.Should().Be(2);
        pass.Dispose();
        mask.IsInvalid.Should().BeFalse();
    }

    [Fact]
    public void What_it_is_given_must_be_there_and_alive()
    {
        using var scope = NewDisposeScope();
        using var layer = Make.Layer(Make.Options());
        using var pass = new RoutingPass();
        var decision = layer.Gate.Route(Make.Normal(1, 3, 4));

        pass.Invoking(p => p.Add(null!, decision)).Should().Throw<ArgumentNullException>();
        pass.Invoking(p => p.Add(layer, null!)).Should().Throw<ArgumentNullException>();
        layer.Invoking(l => l.forward(Make.Normal(1, 3, 4), null!)).Should().Throw<ArgumentNullException>().WithParameterName("pass");
        decision.Dispose();
        pass.Invoking(p => p.Add(layer, decision)).Should().Throw<ObjectDisposedException>();
        pass.Layers.Should().BeEmpty();
    }

    [Fact]
    public void Several_threads_may_add_to_one_pass()
    {
        using var layer = Make.Layer(Make.Options());
        using var pass = new RoutingPass();

        Parallel.For(0, 20, seed =>
        {
            using var scope = NewDisposeScope();
            layer.forward(Make.Normal(seed, 3, 4), pass);
            pass.Layers.Count.Should().BePositive();
        });

        pass.Layers.Should().HaveCount(20).And.OnlyContain(routing => !routing.Decision.Weights.IsInvalid);
    }

    [Fact]
    public void A_view_without_mask_adds_to_the_pass_and_owns_nothing()
    {
        using var scope = NewDisposeScope();
        using var layer = Make.Layer(Make.Options());
        using var pass = new RoutingPass(Make.Mask(1, 0));
        using (var view = pass.ForExperts())
        {
            view.Mask.Should().BeNull();
            view.ForExperts().Should().BeSameAs(view);
            layer.forward(Make.Normal(1, 5, 4), view);
            view.Layers.Should().ContainSingle();
        }

        pass.Layers.Should().ContainSingle().Which.Decision.Weights.IsInvalid.Should().BeFalse();
        var late = pass.ForExperts();
        pass.Dispose();
        layer.Invoking(l => l.forward(Make.Normal(1, 5, 4), late)).Should().Throw<ObjectDisposedException>();
    }
}
