using Moe.Core;
using static TorchSharp.torch;

namespace Moe.HuggingFace.Tests;

/// <summary>The experts of a layer, quantised together.</summary>
public sealed class QuantisedExpertsTests
{
    private static readonly GatedFeedForwardOptions Options = new() { InputWidth = 32, HiddenWidth = 64, Bias = true, Unit = GatedUnit.GptOss };

    [Theory]
    [InlineData(WeightCompression.Int8)]
    [InlineData(WeightCompression.Mxfp4)]
    public void A_stack_becomes_experts_that_are_off_by_what_is_reported(WeightCompression compression)
    {
        using var scope = NewDisposeScope();
        using var stack = Stack(Options);
        var experts = QuantisedExperts.From(stack, compression);

        experts.Count.Should().Be(3);
        experts.Errors.Select(error => (error.Expert, error.Weight)).Should().Equal(
            (0, "gate_up_weight"), (0, "down_weight"), (1, "gate_up_weight"), (1, "down_weight"), (2, "gate_up_weight"), (2, "down_weight"));
        foreach (var error in experts.Errors)
        {
            var weights = stack.get_parameter(error.Weight)!.select(0, error.Expert).detach();
            var matrix = error.Weight == "down_weight" ? experts[error.Expert].Down : experts[error.Expert].GateUp;
            error.LargestError.Should().Be(Quantities.Distance(matrix.Decode(), weights)).And.BePositive();
            error.LargestWeight.Should().Be(weights.abs().max().to(ScalarType.Float64).item<double>());
            error.LargestError.Should().BeLessThanOrEqualTo(error.LargestWeight * (compression == WeightCompression.Int8 ? 0.5001 / 127 : 0.25));
        }
        foreach (var (expert, index) in experts.Select((expert, index) => (expert, index)))
        {
            expert.Options.Should().Be(Options);
            Quantities.SameBits(expert.GateUpBias!, stack.get_parameter("gate_up_bias")!.select(0, index));
            Quantities.SameBits(expert.DownBias!, stack.get_parameter("down_bias")!.select(0, index));
            expert.Dispose();
        }
    }

    [Fact]
    public void A_layer_of_its_own_answers_nearly_the_same_for_a_quarter_of_the_memory()
    {
        using var scope = NewDisposeScope();
        var gate = new GatingOptions { InputWidth = 32, ExpertCount = 4, TopK = 2 };

        // A stack, and an expert that is not like the others.
        var odd = Filled(new GatedFeedForwardExpert(Options with { HiddenWidth = 96 }), 9);
        using var layer = new MixtureOfExperts(new GatingNetwork(gate, new Generator(1)), [odd, .. Stack(Options)]);
        var experts = QuantisedExperts.From(layer, WeightCompression.Int8);
        using var small = new MixtureOfExperts(new GatingNetwork(gate, new Generator(1)), experts);
        var x = Quantities.Normal(5, 50, 32).to(ScalarType.Float32);
        using var noGrad = no_grad();
        var (exact, rounded) = (layer.call(x), small.call(x));

        experts.Select(expert => expert.Options.HiddenWidth).Should().Equal(96, 64, 64, 64);
        Quantities.Distance(rounded, exact).Should().BeInRange(1e-4, 0.03 * exact.abs().max().item<float>());
        experts.DecodedBytes.Should().Be(layer.Experts.Count == 4 ? layer.modules().Where(module => module is StackedExperts or GatedFeedForwardExpert).SelectMany(module => module.parameters()).Sum(weight => weight.numel() * 4) : 0);
        ((double)experts.MemoryBytes / experts.DecodedBytes).Should().BeInRange(0.25, 0.35);
    }

    [Fact]
    public void The_layer_they_come_from_can_go()
    {
        using var scope = NewDisposeScope();
        var x = Quantities.Normal(5, 50, 32).to(ScalarType.Float32);
        var layer = new MixtureOfExperts(new GatingNetwork(new GatingOptions { InputWidth = 32, ExpertCount = 3, TopK = 2 }), Stack(Options));
        var gate = new GatingNetwork(((GatingNetwork)layer.Gate).Options);
        gate.load_state_dict(layer.Gate.state_dict());
        using var small = new MixtureOfExperts(gate, QuantisedExperts.From(layer, WeightCompression.Int8));
        var exact = layer.call(x);
        layer.Dispose();

        Quantities.Distance(small.call(x), exact).Should().BeInRange(1e-4, 0.03 * exact.abs().max().item<float>());
    }

    [Fact]
    public void Experts_as_gpt_oss_publishes_them_lose_nothing()
    {
        using var scope = NewDisposeScope();
        var (gateUpBlocks, gateUpScales) = (tensor(Quantities.Bytes(1, 2 * 128 * 16), [2, 128, 1, 16]), Scales(2, 2, 128, 1));
        var (downBlocks, downScales) = (tensor(Quantities.Bytes(3, 2 * 32 * 2 * 16), [2, 32, 2, 16]), Scales(4, 2, 32, 2));
        var (gateUpBias, downBias) = (Quantities.Normal(5, 2, 128).to(ScalarType.BFloat16), Quantities.Normal(6, 2, 32).to(ScalarType.BFloat16));
        var x = Quantities.Normal(7, 5, 32);

        var experts = QuantisedExperts.FromMxfp4(Options, gateUpBlocks, gateUpScales, downBlocks, downScales, gateUpBias, downBias);

        experts.Errors.Should().BeEmpty();
        for (var e = 0; e < 2; e++)
        {
            // Published row 2i is gate's row i, row 2i + 1 is up's.
            var both = nn.functional.linear(x, Mxfp4.Decode(gateUpBlocks, gateUpScales, ScalarType.Float64)[e], gateUpBias[e].to(ScalarType.Float64)).view(5, 64, 2);
            var (gate, up) = (both.select(2, 0).clamp_max(7), both.select(2, 1).clamp(-7, 7));
            var hidden = gate * (gate * 1.702).sigmoid() * (up + 1);
            var expected = nn.functional.linear(hidden, Mxfp4.Decode(downBlocks, downScales, ScalarType.Float64)[e], downBias[e].to(ScalarType.Float64));

            Quantities.Distance(experts[e].call(x), expected).Should().BeLessThan(1e-12 * Math.Max(1, expected.abs().max().item<double>()));
            experts[e].GateUp.buffers().Concat(experts[e].Down.buffers()).Should().OnlyContain(buffer => buffer.is_contiguous());
            experts[e].Dispose();
        }
    }

    [Fact]
    public void Rows_that_lie_gate_above_up_are_taken_as_they_are()
    {
        using var scope = NewDisposeScope();
        var (gateUpBlocks, gateUpScales) = (tensor(Quantities.Bytes(1, 2 * 128 * 16), [2, 128, 1, 16]), Scales(2, 2, 128, 1));
        var (downBlocks, downScales) = (tensor(Quantities.Bytes(3, 2 * 32 * 2 * 16), [2, 32, 2, 16]), Scales(4, 2, 32, 2));

        var experts = QuantisedExperts.FromMxfp4(Options with { Bias = false }, gateUpBlocks, gateUpScales, downBlocks, downScales, interleaved: false);

        Quantities.SameBits(experts[1].GateUp.Decode(), Mxfp4.Decode(gateUpBlocks, gateUpScales, ScalarType.Float32)[1]);
        Quantities.SameBits(experts[1].Down.Decode(), Mxfp4.Decode(downBlocks, downScales, ScalarType.Float32)[1]);
    }

    [Fact]
    public void Experts_of_other_kinds_are_refused()
    {
        using var scope = NewDisposeScope();
        using var plain = StackedExperts.FeedForward(2, new FeedForwardOptions { InputWidth = 4, HiddenWidth = 4 });
        FluentActions.Invoking(() => QuantisedExperts.From(plain, WeightCompression.Int8)).Should().Throw<ArgumentException>()
            .WithMessage("Expected gated feed-forward experts, but expert 0 (Slice) is none.*");
        using var narrow = StackedExperts.GatedFeedForward(2, new GatedFeedForwardOptions { InputWidth = 4, HiddenWidth = 4 });
        FluentActions.Invoking(() => QuantisedExperts.From(narrow, WeightCompression.Mxfp4)).Should().Throw<ArgumentException>();
        var (blocks, scales) = (zeros([2, 128, 1, 16], dtype: ScalarType.Byte), zeros([2, 128, 1], dtype: ScalarType.Byte));
        FluentActions.Invoking(() => QuantisedExperts.FromMxfp4(Options, blocks, scales, blocks[0], scales[0])).Should().Throw<ArgumentException>()
            .WithMessage("Expected downBlocks of 4 dimensions for 2 experts*");
    }

    [Fact]
    public void Compression_leaves_only_the_experts_alive()
    {
        using var stack = Stack(Options);

        Quantities.LeftAlive(() =>
        {
            foreach (var expert in QuantisedExperts.From(stack, WeightCompression.Mxfp4))
                expert.Dispose();
        }).Should().Be(0);
    }

    /// <summary>Scales of ordinary weights.</summary>
    private static Tensor Scales(int seed, params long[] shape) =>
        tensor([.. Quantities.Bytes(seed, (int)shape.Aggregate(1L, (product, size) => product * size)).Select(code => (byte)(120 + (code % 4)))], shape);

    private static StackedExperts Stack(GatedFeedForwardOptions options) => Filled(StackedExperts.GatedFeedForward(3, options), 1);

    private static T Filled<T>(T module, int seed)
        where T : nn.Module
    {
        using var noGrad = no_grad();
        using var scope = NewDisposeScope();
        foreach (var parameter in module.parameters())
            parameter.copy_(Quantities.Normal(seed++, parameter.shape) * 0.2);
        return module;
    }
}
