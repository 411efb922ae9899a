using static TorchSharp.torch;

namespace Moe.Core.Tests;

/// <summary>Nothing stays alive that the caller does not own.</summary>
public sealed class MixtureOfExpertsMemoryTests
{
    [Fact]
    public void Nothing_stays_alive_after_any_way_to_run_a_layer()
    {
        using var layer = Make.Layer(Make.Everything, shared: 2);
        using var x = Make.Normal(1, 10, 4);
        using var mask = Make.Mask(1, 1, 1, 0, 1, 0, 1, 1, 1, 1);

        LiveTensors.After(() => Repeat(() => layer.forward(x).Dispose())).Should().Be(0);
        LiveTensors.After(() => Repeat(() =>
        {
            using var pass = new RoutingPass(mask);
            layer.forward(x, pass).Dispose();
        })).Should().Be(0);
        LiveTensors.After(() => Repeat(() => layer.ForwardWithRouting(x, mask).Dispose())).Should().Be(0);
        LiveTensors.After(() => Repeat(() => layer.Gate.Route(x, mask).Dispose())).Should().Be(0);
    }

    [Fact]
    public void Nothing_stays_alive_after_backward_and_loss()
    {
        using var layer = Make.Layer(Make.Everything, shared: 2);
        using var x = Make.Normal(1, 10, 4);

        LiveTensors.After(() => Repeat(() =>
        {
            using var result = layer.ForwardWithRouting(x);
            using var balance = LoadBalance.Loss(result.Routing);
            using var mean = result.Output.mean();
            using var loss = mean + balance;
            loss.backward();
        })).Should().Be(0);
    }

    [Fact]
    public void Nothing_stays_alive_with_experts_of_all_kinds()
    {
        using var value = Make.Normal(1, 4);
        using var layer = Make.Filled(
            new MixtureOfExperts(
                new GatingNetwork(Make.Options(experts: 6, topK: 6), dtype: ScalarType.Float64),
                [
                    new LinearExpert(4, 4, dtype: ScalarType.Float64), new IdentityExpert(4), new ZeroExpert(4, 4), new ThirdOfSum(),
                    new ConstantExpert(4, value), new ModuleExpert(nn.Linear(4, 4, dtype: ScalarType.Float64), 4, 4),
                ]),
            1);
        using var x = Make.Normal(1, 10, 4);

        LiveTensors.After(() => Repeat(() => layer.forward(x).Dispose())).Should().Be(0);
    }

    [Fact]
    public void Exactly_what_is_handed_out_stays_alive()
    {
        using var layer = Make.Layer(Make.Everything);
        using var x = Make.Normal(1, 10, 4);
        using var mask = ones(10, dtype: ScalarType.Bool);
        MixtureOutput? result = null;

        // Output, and of the decision indices, weights, kept, logits, scores, mask, perturbed logits and the noise's deviation; counts are made when asked for.
        LiveTensors.After(() => result = layer.ForwardWithRouting(x, mask)).Should().Be(9);
        result!.Dispose();
        LiveTensors.After(() => result = layer.ForwardWithRouting(x)).Should().Be(8);
        result.Dispose();
        result.Output.IsInvalid.Should().BeTrue();
        result.Routing.Scores.IsInvalid.Should().BeTrue();
    }

    [Fact]
    public void Refused_input_leaves_nothing_behind()
    {
        using var layer = Make.Layer(Make.Everything, shared: 1);
        using var wide = Make.Normal(1, 10, 5);
        using var nan = full([3, 4], double.NaN, dtype: ScalarType.Float64);

        LiveTensors.After(() => Repeat(() =>
        {
            layer.Invoking(l => l.forward(wide)).Should().Throw<ArgumentException>();
            layer.Invoking(l => l.forward(nan)).Should().Throw<NonFiniteRoutingException>();
            layer.Invoking(l => l.ForwardWithRouting(nan)).Should().Throw<NonFiniteRoutingException>();
        }, 10)).Should().Be(0);
    }

    [Fact]
    public void A_layer_built_inside_a_scope_outlives_it()
    {
        MixtureOfExperts layer;
        using (NewDisposeScope())
        {
            layer = new MixtureOfExperts(
                new GatingNetwork(Make.Everything, dtype: ScalarType.Float64),
                [
                    new FeedForwardExpert(Make.FeedForward(), dtype: ScalarType.Float64),
                    new FeedForwardExpert(Make.FeedForward(), dtype: ScalarType.Float64),
                    new LinearExpert(4, 4, dtype: ScalarType.Float64),
                    new ConstantExpert(4, Make.Normal(1, 4)),
                ]);
        }
        using (layer)
        using (var x = Make.Normal(1, 10, 4))
        using (var output = layer.forward(x))
        {
            output.shape.Should().Equal(10, 4);
            layer.parameters().Should().HaveCount(10).And.OnlyContain(parameter => !parameter.IsInvalid);
        }
    }

    [Fact]
    public void A_disposed_layer_takes_gate_experts_and_parameters_with_it()
    {
        var linear = nn.Linear(4, 4, dtype: ScalarType.Float64);
        var layer = new MixtureOfExperts(
            new GatingNetwork(Make.Options(experts: 3), dtype: ScalarType.Float64),
            [.. StackedExperts.FeedForward(2, Make.FeedForward(), dtype: ScalarType.Float64), new ModuleExpert(linear, 4, 4)]);
        var parameters = layer.parameters().ToArray();

        layer.Dispose();
        layer.Dispose();

        parameters.Should().HaveCount(7).And.OnlyContain(parameter => parameter.IsInvalid);
        using var x = Make.Normal(1, 2, 4);
        layer.Invoking(l => l.forward(x)).Should().Throw<ObjectDisposedException>();
        layer.Gate.Invoking(gate => gate.Route(x)).Should().Throw<ObjectDisposedException>();
        layer.Experts[0].Invoking(expert => expert.forward(x)).Should().Throw<ObjectDisposedException>();
        layer.Experts[2].Invoking(expert => expert.forward(x)).Should().Throw<ObjectDisposedException>();
    }

    private static void Repeat(Action action, int times = 50)
    {
        for (var i = 0; i < times; i++)
            action();
    }
}
