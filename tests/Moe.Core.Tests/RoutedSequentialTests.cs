using static TorchSharp.torch;

namespace Moe.Core.Tests;

/// <summary>A row of modules that hands the pass on.</summary>
public sealed class RoutedSequentialTests
{
    [Fact]
    public void It_gives_what_its_modules_give_one_after_the_other_and_passes_mask_and_decisions()
    {
        using var scope = NewDisposeScope();
        var (first, second, linear) = (Make.Layer(Make.Options(), 1), Make.Layer(Make.Options(), 2), nn.Linear(4, 4, dtype: ScalarType.Float64));
        using var model = new RoutedSequential(first, linear, new RoutedSequential(nn.Tanh(), second));
        var x = Make.Normal(1, 2, 3, 4);
        var mask = Make.Mask(1, 1, 0, 1, 0, 1).reshape(2, 3);
        using var pass = new RoutingPass(mask);

        using var expected = second.ForwardWithRouting(linear.call(first.ForwardWithRouting(x, mask).Output).tanh(), mask);
        Compare.SameBits(model.forward(x, pass), expected.Output);
        pass.Layers.Select(layer => layer.Layer).Should().Equal(first, second);
        pass.Layers.Should().OnlyContain(layer => layer.Decision.ValidTokens == 4);
        Compare.SameBits(model.forward(x), second.forward(linear.call(first.forward(x)).tanh()));
        model.named_parameters().Select(pair => pair.name.Split('.')[0]).Distinct().Should().Equal("0", "1", "2");
    }

    [Fact]
    public void It_neither_gives_its_input_away_nor_leaves_anything_behind()
    {
        using var same = new RoutedSequential(new PassThrough());
        using var model = new RoutedSequential(Make.Layer(Make.Options()), nn.Tanh(), Make.Layer(Make.Options()));
        using var x = Make.Normal(1, 3, 4);

        using (var output = same.forward(x))
            output.Should().NotBeSameAs(x);
        x.IsInvalid.Should().BeFalse();
        LiveTensors.After(() =>
        {
            using var pass = new RoutingPass();
            model.forward(x, pass).Dispose();
            model.forward(x).Dispose();
        }).Should().Be(0);
    }

    [Fact]
    public void Wrong_arguments_are_refused()
    {
        using var scope = NewDisposeScope();
        using var tanh = nn.Tanh();
        var model = new RoutedSequential(nn.Tanh());
        using var pass = new RoutingPass();
        var x = Make.Normal(1, 3, 4);
        var gone = Make.Normal(1, 3, 4);
        gone.Dispose();

        FluentActions.Invoking(() => new RoutedSequential(null!)).Should().Throw<ArgumentNullException>();
        FluentActions.Invoking(() => new RoutedSequential()).Should().Throw<ArgumentException>()
            .WithMessage("Expected at least 1 module and none null, got 0 with 0 null.*");
        FluentActions.Invoking(() => new RoutedSequential(tanh, null!)).Should().Throw<ArgumentException>()
            .WithMessage("Expected at least 1 module and none null, got 2 with 1 null.*");
        model.Invoking(m => m.forward(null!)).Should().Throw<ArgumentNullException>();
        model.Invoking(m => m.forward(gone)).Should().Throw<ObjectDisposedException>();
        model.Invoking(m => m.forward(x, null!)).Should().Throw<ArgumentNullException>();
        Compare.SameBits(model.forward(x, pass), x.tanh());
        model.Dispose();
        model.Invoking(m => m.forward(x)).Should().Throw<ObjectDisposedException>();
    }

    private sealed class PassThrough() : nn.Module<Tensor, Tensor>(nameof(PassThrough))
    {
        public override Tensor forward(Tensor input) => input;
    }
}
