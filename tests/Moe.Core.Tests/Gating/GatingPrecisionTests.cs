using TorchSharp;
using static TorchSharp.torch;

namespace Moe.Core.Tests;

/// <summary>Routing is computed in Float32 or better, whatever the model's type.</summary>
public sealed class GatingPrecisionTests
{
    [Theory]
    [InlineData(ScalarType.BFloat16)]
    [InlineData(ScalarType.Float16)]
    public void Moving_a_layer_to_a_narrow_type_leaves_the_bits_of_the_gate_alone(ScalarType narrow)
    {
        using var scope = NewDisposeScope();
        using var layer = Make.Layer(Make.Options() with { Bias = true, Noise = new LearnedNoise() }, type: ScalarType.Float32);
        var before = layer.Gate.named_parameters().ToDictionary(pair => pair.name, pair => Compare.Bits(pair.parameter));

        layer.to(narrow);

        foreach (var (name, parameter) in layer.Gate.named_parameters())
        {
            parameter.dtype.Should().Be(ScalarType.Float32);
            Compare.Bits(parameter).Should().Equal(before[name]);
        }
        layer.named_parameters().Where(pair => pair.name.StartsWith("experts", StringComparison.Ordinal))
            .Should().NotBeEmpty().And.OnlyContain(pair => pair.parameter.dtype == narrow);
        layer.to(CPU, narrow);
        layer.Network.Weight.dtype.Should().Be(ScalarType.Float32);
    }

    [Fact]
    public void Buffers_move_with_the_gate_and_stay_what_the_gate_uses()
    {
        using var scope = NewDisposeScope();
        using var biased = Make.Gate(Make.Options() with { SelectionBias = true });
        using var table = Make.Gate(Make.Options() with { Selection = new TableSelection { VocabularySize = 5 } });
        biased.SelectionBias!.fill_(0.25);
        var entries = Compare.Longs(table.Table!);

        foreach (var type in new[] { ScalarType.Float32, ScalarType.BFloat16, ScalarType.Float64 })
        {
            foreach (var gate in new[] { biased, table })
            {
                gate.to(type);
                var wide = type == ScalarType.Float64 ? type : ScalarType.Float32;
                gate.Weight.dtype.Should().Be(wide);
                var x = Make.Normal(1, type, 3, 4);
                gate.Route(x, new RoutingContext { TokenIds = arange(3, dtype: ScalarType.Int64) }).Weights.dtype.Should().Be(wide);
            }
            biased.SelectionBias!.dtype.Should().Be(biased.Weight.dtype);
            Compare.Doubles(biased.SelectionBias).Should().OnlyContain(bias => bias == 0.25);
            biased.get_buffer("selection_bias").Should().BeSameAs(biased.SelectionBias);
            table.Table!.dtype.Should().Be(ScalarType.Int64);
            Compare.Longs(table.Table).Should().Equal(entries);
            table.get_buffer("table").Should().BeSameAs(table.Table);
        }
        biased.to(META).Should().BeSameAs(biased);
        biased.SelectionBias!.device_type.Should().Be(DeviceType.META);
        biased.get_buffer("selection_bias").Should().BeSameAs(biased.SelectionBias);
        table.to(META);
        table.Table!.device_type.Should().Be(DeviceType.META);
    }

    [Theory]
    [InlineData(ScalarType.Float32, ScalarType.Float32)]
    [InlineData(ScalarType.BFloat16, ScalarType.Float32)]
    [InlineData(ScalarType.Float16, ScalarType.Float32)]
    [InlineData(ScalarType.Float64, ScalarType.Float64)]
    public void The_type_of_the_tokens_decides_the_type_of_the_decision(ScalarType tokens, ScalarType routed)
    {
        using var scope = NewDisposeScope();
        using var gate = Make.Gate(Make.Options() with { Bias = true, Noise = new LearnedNoise() }, type: ScalarType.Float32);
        using var decision = gate.Route(Make.Normal(1, tokens, 5, 4));

        decision.Logits.dtype.Should().Be(routed);
        decision.Scores.dtype.Should().Be(routed);
        decision.Weights.dtype.Should().Be(routed);
        decision.Indices.dtype.Should().Be(ScalarType.Int64);
        decision.Counts.dtype.Should().Be(ScalarType.Int64);
        decision.Kept.dtype.Should().Be(ScalarType.Bool);
    }

    [Fact]
    public void Narrow_tokens_are_routed_as_their_values_in_Float32()
    {
        using var scope = NewDisposeScope();
        using var gate = Make.Gate(Make.Options(), type: ScalarType.Float32);
        var x = Make.Normal(1, ScalarType.BFloat16, 30, 4);

        Compare.SameBits(gate.Route(x).Logits, gate.Route(x.to(ScalarType.Float32)).Logits);
    }

    [Fact]
    public void A_gate_in_Float64_routes_Float32_tokens_in_Float32()
    {
        using var scope = NewDisposeScope();
        using var gate = Make.Gate(Make.Options());

        gate.Route(Make.Normal(1, ScalarType.Float32, 5, 4)).Logits.dtype.Should().Be(ScalarType.Float32);
    }

    /// <summary>
    /// With inputs, weights and activations that are not negative nothing cancels, so that each rounding costs at most half a unit
    /// in the last place, relative: hidden, answer, weight, weighted sum, and the sum with the shared expert, are five of them; one more for accumulation.
    /// </summary>
    [Theory]
    [InlineData(ScalarType.BFloat16, 1.0 / 256)]
    [InlineData(ScalarType.Float16, 1.0 / 2048)]
    public void A_narrow_layer_is_as_close_to_the_wide_one_as_its_roundings_allow(ScalarType narrow, double unit)
    {
        using var scope = NewDisposeScope();
        using var layer = new MixtureOfExperts(
            new GatingNetwork(Make.Options(), dtype: ScalarType.Float32),
            StackedExperts.FeedForward(4, Make.FeedForward() with { Activation = Activation.Relu }, dtype: ScalarType.Float32),
            [new FeedForwardExpert(Make.FeedForward() with { Activation = Activation.Relu }, dtype: ScalarType.Float32)]);
        using (no_grad())
        {
            foreach (var parameter in Make.Filled(layer, 3).parameters())
                parameter.copy_(parameter.abs().to(narrow));
        }
        var x = Make.Normal(6, narrow, 20, 4).abs();

        using var wide = layer.forward(x.to(ScalarType.Float32));
        layer.to(narrow);
        using var actual = layer.forward(x);

        actual.dtype.Should().Be(narrow);
        var relative = ((actual.to(ScalarType.Float32) - wide).abs() / wide).max().item<float>();
        relative.Should().BeLessThan((float)(6 * unit / 2)).And.BeGreaterThan(0);
    }
}
