using static TorchSharp.torch;

namespace Moe.Core.Tests;

/// <summary>Any leading dimensions, any strides, input that wants gradients or not.</summary>
public sealed class MixtureOfExpertsShapeTests
{
    [Theory]
    [InlineData]
    [InlineData(6L)]
    [InlineData(2L, 3L)]
    [InlineData(2L, 1L, 3L)]
    [InlineData(1L, 2L, 3L, 2L)]
    public void Leading_dimensions_are_kept(params long[] leading)
    {
        using var scope = NewDisposeScope();
        using var layer = Wide();
        var x = Make.Normal(1, [.. leading, 4]);

        using var output = layer.forward(x);

        output.shape.Should().Equal([.. leading, 3]);
        Compare.SameBits(output.reshape(-1, 3), layer.forward(x.reshape(-1, 4)));
    }

    [Fact]
    public void Strides_do_not_matter()
    {
        using var scope = NewDisposeScope();
        using var layer = Wide();
        var x = Make.Normal(1, 4, 6).t();
        x.is_contiguous().Should().BeFalse();

        Compare.Close(layer.forward(x), layer.forward(x.contiguous()), 1e-14);
        var every = Make.Normal(2, 12, 8).slice(0, 0, 12, 2).slice(1, 0, 8, 2);
        Compare.Close(layer.forward(every), layer.forward(every.contiguous()), 1e-14);
        var same = Make.Normal(2, 1, 4).expand(5, 4);
        Compare.Close(layer.forward(same), layer.forward(same.contiguous()), 1e-14);
    }

    [Fact]
    public void Input_without_gradients_still_teaches_the_parameters()
    {
        using var scope = NewDisposeScope();
        using var layer = Wide();
        var x = Make.Normal(1, 6, 4);

        using var output = layer.forward(x);
        output.requires_grad.Should().BeTrue();
        output.sum().backward();

        layer.parameters().Should().OnlyContain(parameter => !ReferenceEquals(parameter.grad, null));
        using (no_grad())
            layer.forward(x).requires_grad.Should().BeFalse();
        using (inference_mode())
            Compare.SameBits(layer.forward(x).clone(), output.detach());
    }

    [Fact]
    public void The_input_is_neither_changed_nor_kept()
    {
        using var scope = NewDisposeScope();
        using var layer = Wide();
        var x = Make.Normal(1, 6, 4);
        var before = Compare.Bits(x);

        using var output = layer.forward(x);
        output.sum().backward();

        Compare.Bits(x).Should().Equal(before);
        x.IsInvalid.Should().BeFalse();
    }

    [Fact]
    public void A_token_alone_gets_what_it_gets_in_company()
    {
        using var scope = NewDisposeScope();
        using var layer = Wide();
        var x = Make.Normal(1, 6, 4);
        using var output = layer.forward(x);

        for (var token = 0; token < 6; token++)
            Compare.Close(layer.forward(x[token]), output[token], 1e-13);
    }

    [Fact]
    public void The_three_ways_to_run_a_layer_agree_to_the_bit()
    {
        using var scope = NewDisposeScope();
        using var layer = Wide();
        using var pass = new RoutingPass();
        var x = Make.Normal(1, 6, 4);
        using var output = layer.forward(x);

        Compare.SameBits(layer.forward(x, pass), output);
        var (rich, routing) = layer.ForwardWithRouting(x);
        Compare.SameBits(rich, output);
        Compare.SameBits(layer.call(x), output);
        Compare.SameBits(pass.Layers[0].Decision.Weights, routing.Weights);
    }

    [Fact]
    public void A_layer_tells_its_widths_and_parts()
    {
        using var layer = Wide();

        layer.InputWidth.Should().Be(4);
        layer.OutputWidth.Should().Be(3);
        layer.Experts.Should().HaveCount(5).And.OnlyContain(expert => expert.InputWidth == 4 && expert.OutputWidth == 3);
        layer.SharedExperts.Should().BeEmpty();
        layer.Network.Options.TopK.Should().Be(2);
    }

    /// <summary>Input 4 wide, output 3 wide.</summary>
    private static MixtureOfExperts Wide() => Make.Filled(
        new MixtureOfExperts(
            new GatingNetwork(Make.Options(experts: 5), dtype: ScalarType.Float64),
            StackedExperts.GatedFeedForward(5, new() { InputWidth = 4, HiddenWidth = 7, OutputWidth = 3 }, dtype: ScalarType.Float64)),
        2);
}
