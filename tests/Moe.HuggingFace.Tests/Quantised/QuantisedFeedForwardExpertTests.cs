using Moe.Core;
using TorchSharp;
using static TorchSharp.torch;

namespace Moe.HuggingFace.Tests;

/// <summary>An expert that keeps its weights as bytes against the same expert in numbers.</summary>
public sealed class QuantisedFeedForwardExpertTests
{
    private static readonly GatedFeedForwardOptions Plain = new() { InputWidth = 32, HiddenWidth = 64 };

    public static TheoryData<GatedFeedForwardOptions, WeightCompression, ScalarType> Cases => new()
    {
        { Plain, WeightCompression.Int8, ScalarType.Float32 },
        { Plain with { OutputWidth = 5, Activation = Activation.Gelu }, WeightCompression.Mxfp4, ScalarType.Float32 },
        { Plain with { Bias = true, Unit = GatedUnit.GptOss }, WeightCompression.Mxfp4, ScalarType.BFloat16 },
        { Plain with { Bias = true, Activation = Activation.Tanh }, WeightCompression.Int8, ScalarType.Float64 },
        { Plain with { InputWidth = 7, HiddenWidth = 3 }, WeightCompression.Int8, ScalarType.BFloat16 },
    };

    [Theory]
    [MemberData(nameof(Cases))]
    public void It_answers_as_the_expert_that_has_its_decoded_weights(GatedFeedForwardOptions options, WeightCompression compression, ScalarType type)
    {
        using var scope = NewDisposeScope();
        using var expert = Make(options, compression);
        using var same = InNumbers(expert, type);
        foreach (var count in new[] { 9, 1, 0 })
        {
            var x = Quantities.Normal(7, count, options.InputWidth).to(type);

            Quantities.SameBits(expert.call(x), same.call(x));
        }
    }

    [Theory]
    [InlineData(WeightCompression.Int8)]
    [InlineData(WeightCompression.Mxfp4)]
    public void The_input_gets_its_gradient_and_nothing_else_does(WeightCompression compression)
    {
        using var scope = NewDisposeScope();
        using var expert = Make(Plain with { Bias = true }, compression);
        var x = Quantities.Normal(3, 4, 32).requires_grad_();
        var direction = Quantities.Normal(4, 4, 32);
        (expert.call(x) * direction).sum().backward();

        expert.parameters().Should().BeEmpty();
        expert.buffers().Should().OnlyContain(buffer => !buffer.requires_grad);
        using var noGrad = no_grad();
        for (var entry = 0; entry < x.numel(); entry++)
        {
            var step = zeros_like(x);
            step.view(-1)[entry] = 1e-5;
            var slope = (((expert.call(x + step) - expert.call(x - step)) * direction).sum() / 2e-5).item<double>();
            x.grad!.view(-1)[entry].item<double>().Should().BeApproximately(slope, 1e-7 * Math.Max(1, Math.Abs(slope)));
        }
    }

    [Fact]
    public void A_layer_takes_it_as_an_expert_beside_others()
    {
        using var scope = NewDisposeScope();
        var gate = new GatingOptions { InputWidth = 32, ExpertCount = 3, TopK = 2 };
        var first = Make(Plain, WeightCompression.Int8, 1);
        var second = Make(Plain, WeightCompression.Mxfp4, 2);
        IExpert[] numbers = [InNumbers(first, ScalarType.Float32), InNumbers(second, ScalarType.Float32), new IdentityExpert(32)];
        using var layer = new MixtureOfExperts(new GatingNetwork(gate, new Generator(1)), [first, second, new IdentityExpert(32)]);
        using var same = new MixtureOfExperts(new GatingNetwork(gate, new Generator(1)), numbers);
        var x = Quantities.Normal(5, 40, 32).to(ScalarType.Float32);

        Quantities.Distance(layer.call(x), same.call(x)).Should().BeLessThan(1e-5);
        layer.state_dict().Keys.Should().Contain(["experts.0.gate_up.codes", "experts.0.gate_up.scales", "experts.1.down.blocks", "experts.1.down.scales"]);
    }

    [Fact]
    public void A_layer_in_another_type_keeps_the_bytes()
    {
        using var scope = NewDisposeScope();
        var gate = new GatingOptions { InputWidth = 32, ExpertCount = 2, TopK = 1 };
        using var layer = new MixtureOfExperts(
            new GatingNetwork(gate), [Make(Plain with { Bias = true }, WeightCompression.Int8, 1), Make(Plain with { Bias = true }, WeightCompression.Mxfp4, 2)]);
        var before = layer.state_dict().ToDictionary(item => item.Key, item => Quantities.Bits(item.Value));

        layer.to(ScalarType.BFloat16);

        foreach (var (name, value) in layer.state_dict().Where(item => item.Key.EndsWith("codes", StringComparison.Ordinal) || item.Key.EndsWith("blocks", StringComparison.Ordinal) || item.Key.EndsWith("scales", StringComparison.Ordinal)))
            Quantities.Bits(value).Should().Equal(before[name]);
        layer.state_dict()["experts.0.gate_up.scales"].dtype.Should().Be(ScalarType.Float32);
        layer.state_dict()["experts.0.gate_up_bias"].dtype.Should().Be(ScalarType.BFloat16);
        layer.call(ones([3, 32], dtype: ScalarType.BFloat16)).dtype.Should().Be(ScalarType.BFloat16);
    }

    [Theory]
    [InlineData(WeightCompression.Int8)]
    [InlineData(WeightCompression.Mxfp4)]
    public void Its_state_can_be_saved_and_loaded(WeightCompression compression)
    {
        using var scope = NewDisposeScope();
        using var expert = Make(Plain with { Bias = true }, compression, 1);
        using var other = Make(Plain with { Bias = true }, compression, 2);
        var file = Path.GetTempFileName();
        try
        {
            expert.save(file);
            other.load(file);
        }
        finally
        {
            File.Delete(file);
        }
        var x = Quantities.Normal(3, 4, 32);

        Quantities.SameBits(other.call(x), expert.call(x));
    }

    [Fact]
    public void It_says_what_it_takes()
    {
        using var eight = Make(Plain with { Bias = true }, WeightCompression.Int8);
        using var four = Make(Plain, WeightCompression.Mxfp4);

        // Biases: 128 + 32 numbers of Float64. Rows: 128 of 32, and 32 of 64.
        eight.MemoryBytes.Should().Be((128 * 32) + (32 * 64) + (160 * 4) + (160 * 8));
        eight.DecodedBytes.Should().Be((((128 * 32) + (32 * 64)) * 4) + (160 * 8));
        four.MemoryBytes.Should().Be(((128 * 32) + (32 * 64)) * 17 / 32);
        four.DecodedBytes.Should().Be(((128 * 32) + (32 * 64)) * 4);
    }

    [Fact]
    public void What_cannot_be_is_refused()
    {
        using var scope = NewDisposeScope();
        using var expert = Make(Plain, WeightCompression.Int8);
        var (gateUp, down) = (expert.GateUp, expert.Down);

        Refused(() => new(Plain with { HiddenWidth = 63 }, gateUp, down), "Expected gateUp of shape [126, 32], got [128, 32].*");
        Refused(() => new(Plain with { OutputWidth = 3 }, gateUp, down), "Expected down of shape [3, 64], got [32, 64].*");
        Refused(() => new(Plain with { HiddenWidth = 0, Unit = new ClampedSwiGlu { Limit = -1 } }, gateUp, down), "*HiddenWidth (0) must be at least 1. Unit.Limit (-1) must be positive.*");
        Refused(() => new(Plain with { Bias = true }, gateUp, down), "The options' Bias is True, but gateUpBias is null.*");
        Refused(() => new(Plain, gateUp, down, null, ones(32)), "The options' Bias is False, but downBias is there.*");
        Refused(() => new(Plain with { Bias = true }, gateUp, down, ones(127), ones(32)), "Expected gateUpBias of shape*");
        FluentActions.Invoking(() => expert.forward(ones(3, 31))).Should().Throw<ArgumentException>();
        FluentActions.Invoking(() => expert.forward(ones([3, 32], dtype: ScalarType.Int32))).Should().Throw<ArgumentException>();
        expert.Dispose();
        FluentActions.Invoking(() => expert.forward(ones(3, 32))).Should().Throw<ObjectDisposedException>();

        static void Refused(Func<QuantisedFeedForwardExpert> make, string message) =>
            FluentActions.Invoking(make).Should().Throw<ArgumentException>().WithMessage(message);
    }

    [Theory]
    [InlineData(WeightCompression.Int8)]
    [InlineData(WeightCompression.Mxfp4)]
    public void A_forward_pass_leaves_nothing_alive(WeightCompression compression)
    {
        using var expert = Make(Plain with { Bias = true }, compression);
        using var x = Quantities.Normal(1, 4, 32);

        Quantities.LeftAlive(() => expert.call(x).Dispose()).Should().Be(0);
    }

    [Fact]
    public void The_whole_expert_goes_with_its_disposal() => Quantities.LeftAlive(() => Make(Plain with { Bias = true }, WeightCompression.Int8).Dispose()).Should().Be(0);

    private static QuantisedFeedForwardExpert Make(GatedFeedForwardOptions options, WeightCompression compression, int seed = 1)
    {
        using var scope = NewDisposeScope();
        var (width, hidden) = (options.OutputWidth ?? options.InputWidth, options.HiddenWidth);
        return new(
            options,
            QuantisedMatrix.From(Quantities.Normal(seed, 2 * hidden, options.InputWidth) * 0.3, compression),
            QuantisedMatrix.From(Quantities.Normal(seed + 10, width, hidden) * 0.3, compression),
            options.Bias ? Quantities.Normal(seed + 20, 2 * hidden) : null,
            options.Bias ? Quantities.Normal(seed + 30, width) : null);
    }

    private static GatedFeedForwardExpert InNumbers(QuantisedFeedForwardExpert expert, ScalarType type)
    {
        using var noGrad = no_grad();
        using var scope = NewDisposeScope();
        var result = new GatedFeedForwardExpert(expert.Options, dtype: type);
        result.get_parameter("gate_up_weight")!.copy_(expert.GateUp.Decode(type));
        result.get_parameter("down_weight")!.copy_(expert.Down.Decode(type));
        if (expert.Options.Bias)
        {
            result.get_parameter("gate_up_bias")!.copy_(expert.GateUpBias!);
            result.get_parameter("down_bias")!.copy_(expert.DownBias!);
        }
        return result;
    }
}
