using TorchSharp;
using static TorchSharp.torch;

namespace Moe.Core.Tests;

/// <summary>Modules in a row that know of the pass.</summary>
public sealed class RoutedSequentialTests
{
    [Fact]
    public void It_runs_its_modules_in_order_and_hands_the_pass_on()
    {
        using var scope = NewDisposeScope();
        var (inner, outer) = (Make.Layer(Make.Options(), 1), Make.Layer(Make.Options(experts: 3), 2));
        using var model = new RoutedSequential(nn.Linear(4, 4, dtype: ScalarType.Float64), outer, nn.Tanh(), new RoutedSequential(inner, nn.Identity()));
        using var pass = new RoutingPass();
        var x = Make.Normal(1, 2, 5, 4);

        using var output = model.forward(x, pass);

        pass.Layers.Select(routing => routing.Layer).Should().Equal(outer, inner);
        Compare.SameBits(output, model.forward(x));
        var linear = (nn.Module<Tensor, Tensor>)model.children().First();
        Compare.SameBits(output, inner.forward(outer.forward(linear.forward(x)).tanh()));
        pass.Layers.Should().HaveCount(2);
    }

    [Fact]
    public void The_mask_of_the_pass_travels_through_all_layers()
    {
        using var scope = NewDisposeScope();
        using var model = new RoutedSequential(Make.Layer(Make.Options(), 1, shared: 1), nn.Tanh(), Make.Layer(Make.Options(), 2));
        var mask = Make.Mask(1, 1, 0, 1, 0).unsqueeze(0);
        using var pass = new RoutingPass(mask);
        var x = Make.Normal(1, 1, 5, 4);
        x[0][2].fill_(double.NaN);

        using var output = model.forward(x, pass);

        pass.Layers.Should().OnlyContain(routing => routing.Decision.ValidTokens == 3);
        Compare.Doubles(output[0][2]).Should().OnlyContain(value => value == 0);
        var alone = model.forward(x[0].index_select(0, tensor(new long[] { 0, 1, 3 })));
        Compare.Close(output[0].index_select(0, tensor(new long[] { 0, 1, 3 })), alone, 1e-12);
    }

    [Fact]
    public void A_deep_model_leaves_nothing_alive()
    {
        using var model = new RoutedSequential(nn.Linear(4, 4, dtype: ScalarType.Float64), Make.Layer(Make.Options()), nn.Tanh(), Make.Layer(Make.Options()));
        using var x = Make.Normal(1, 5, 4);

        LiveTensors.After(() =>
        {
            for (var i = 0; i < 50; i++)
            {
                using var scope = NewDisposeScope();
                using var pass = new RoutingPass();
                var loss = model.forward(x, pass).square().mean();
                foreach (var (_, decision) in pass.Layers)
                    loss = loss + LoadBalance.Loss(decision) * 0.01;
                loss.backward();
            }
        }).Should().Be(0);
        LiveTensors.After(() => model.forward(x).Dispose()).Should().Be(0);
    }

    [Fact]
    public void A_module_that_hands_back_its_input_does_not_give_the_callers_tensor_away()
    {
        using var model = new RoutedSequential(new ProbeModule(input => input));
        using var x = Make.Normal(1, 5, 4);
        using (NewDisposeScope())
        {
            var output = model.forward(x);
            output.Should().NotBeSameAs(x);
            Compare.SameBits(output, x);
            output.Dispose();
        }
        x.IsInvalid.Should().BeFalse();
    }

    [Fact]
    public void Its_modules_are_registered_by_number_and_disposed_with_it()
    {
        var layer = Make.Layer(Make.Options(experts: 1, topK: 1));
        var model = new RoutedSequential(nn.Linear(4, 4), layer);

        model.state_dict().Keys.Should().Equal(
            "0.weight", "0.bias", "1.experts.0.up_weight", "1.experts.0.down_weight", "1.experts.0.up_bias", "1.experts.0.down_bias", "1.gate.weight");
        model.to(ScalarType.Float32);
        layer.Network.Weight.dtype.Should().Be(ScalarType.Float32);
        model.eval();
        layer.Gate.training.Should().BeFalse();

        model.Dispose();
        using var x = Make.Normal(1, ScalarType.Float32, 5, 4);
        layer.Invoking(l => l.forward(x)).Should().Throw<ObjectDisposedException>();
        model.Invoking(m => m.forward(x)).Should().Throw<ObjectDisposedException>();
    }

    [Fact]
    public void What_cannot_run_is_refused()
    {
        using var scope = NewDisposeScope();
        using var identity = nn.Identity();
        FluentActions.Invoking(() => new RoutedSequential()).Should().Throw<ArgumentException>()
            .WithMessage("Expected at least 1 module and none null, got 0 with 0 null.*");
        FluentActions.Invoking(() => new RoutedSequential(identity, null!)).Should().Throw<ArgumentException>().WithMessage("*got 2 with 1 null.*");
        FluentActions.Invoking(() => new RoutedSequential(null!)).Should().Throw<ArgumentNullException>();

        using var model = new RoutedSequential(identity);
        var disposed = ones(1, 4);
        disposed.Dispose();
        model.Invoking(m => m.forward(null!)).Should().Throw<ArgumentNullException>();
        model.Invoking(m => m.forward(disposed)).Should().Throw<ObjectDisposedException>();
        model.Invoking(m => m.forward(ones(1, 4), null!)).Should().Throw<ArgumentNullException>();
        model.forward(ones(1, 4)).shape.Should().Equal(1, 4);
    }
}
