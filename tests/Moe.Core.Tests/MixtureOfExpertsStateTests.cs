using TorchSharp;
using static TorchSharp.torch;

namespace Moe.Core.Tests;

/// <summary>Names, moves, saving and loading.</summary>
public sealed class MixtureOfExpertsStateTests
{
    [Fact]
    public void Names_and_shapes_of_a_large_layer_are_as_approved()
    {
        using var scope = NewDisposeScope();
        var options = new GatingOptions { InputWidth = 4096, ExpertCount = 67, TopK = 8, Bias = true, Noise = new LearnedNoise() };
        using var layer = new MixtureOfExperts(
            new GatingNetwork(options, device: META, dtype: ScalarType.BFloat16),
            [
                .. StackedExperts.GatedFeedForward(60, new() { InputWidth = 4096, HiddenWidth = 14336 }, device: META, dtype: ScalarType.BFloat16),
                new ZeroExpert(4096, 4096),
                new LinearExpert(4096, 4096, device: META, dtype: ScalarType.BFloat16),
                new FeedForwardExpert(new() { InputWidth = 4096, HiddenWidth = 16384 }, device: META, dtype: ScalarType.BFloat16),
                new FeedForwardExpert(new() { InputWidth = 4096, HiddenWidth = 16384 }, device: META, dtype: ScalarType.BFloat16),
                new IdentityExpert(4096),
                new ConstantExpert(4096, zeros(4096, dtype: ScalarType.BFloat16, device: META)),
                new ModuleExpert(nn.Linear(4096, 4096, device: META, dtype: ScalarType.BFloat16), 4096, 4096),
            ],
            StackedExperts.GatedFeedForward(2, new() { InputWidth = 4096, HiddenWidth = 2048, Bias = true }, device: META, dtype: ScalarType.BFloat16));

        var lines = layer.state_dict().Select(pair => $"{pair.Key} [{string.Join(", ", pair.Value.shape)}] {pair.Value.dtype}");

        lines.Should().Equal(File.ReadAllLines(Path.Combine(AppContext.BaseDirectory, "Approvals", "large_layer.txt")));
    }

    [Fact]
    public void Saved_and_loaded_a_layer_gives_the_same_bits()
    {
        using var scope = NewDisposeScope();
        using var saved = Mixed(1);
        using var loaded = Mixed(2);
        var x = Make.Normal(1, 10, 4);
        using var stream = new MemoryStream();
        using (var writer = new BinaryWriter(stream, System.Text.Encoding.UTF8, leaveOpen: true))
            saved.save(writer);

        Compare.Distance(loaded.forward(x), saved.forward(x)).Should().BeGreaterThan(1e-3);
        stream.Position = 0;
        using (var reader = new BinaryReader(stream))
            loaded.load(reader);

        Compare.SameBits(loaded.forward(x), saved.forward(x));
        using var copied = Mixed(3);
        copied.load_state_dict(saved.state_dict());
        Compare.SameBits(copied.forward(x), saved.forward(x));
    }

    [Fact]
    public void All_modules_move_to_another_type_and_back()
    {
        using var scope = NewDisposeScope();
        using var layer = Mixed(1);
        var x = Make.Normal(1, 10, 4);
        var before = layer.forward(x);

        layer.to(ScalarType.Float32);
        layer.parameters().Should().OnlyContain(parameter => parameter.dtype == ScalarType.Float32);
        Compare.Close(layer.forward(x.to(ScalarType.Float32)).to(ScalarType.Float64), before, 1e-5);
        layer.to(ScalarType.Float64);
        layer.parameters().Should().OnlyContain(parameter => parameter.dtype == ScalarType.Float64);
        Compare.Close(layer.forward(x), before, 1e-5);
        layer.to(META);
        layer.parameters().Should().OnlyContain(parameter => parameter.device_type == DeviceType.META);
        layer.forward(x.to(META)).shape.Should().Equal(10, 4);
    }

    [Fact]
    public void Moving_keeps_what_is_frozen_frozen()
    {
        using var layer = Mixed(1);
        layer.Network.Weight.requires_grad = false;

        layer.to(ScalarType.Float32);

        layer.Network.Weight.requires_grad.Should().BeFalse();
        layer.Network.Bias!.requires_grad.Should().BeTrue();
    }

    [Fact]
    public void Training_mode_reaches_gate_and_experts()
    {
        using var dropout = nn.Dropout();
        using var layer = new MixtureOfExperts(new GatingNetwork(Make.Options(experts: 1, topK: 1)), [new ModuleExpert(dropout, 4, 4)]);

        layer.eval();
        (layer.Gate.training, dropout.training).Should().Be((false, false));
        layer.train();
        (layer.Gate.training, dropout.training).Should().Be((true, true));
    }

    [Fact]
    public void An_optimizer_moves_every_parameter_that_was_used()
    {
        using var scope = NewDisposeScope();
        using var layer = Mixed(1);
        var before = layer.named_parameters().ToDictionary(pair => pair.name, pair => Compare.Bits(pair.parameter));
        using var optimizer = optim.SGD(layer.parameters(), 0.1);

        layer.forward(Make.Normal(1, 40, 4)).square().sum().backward();
        optimizer.step();

        foreach (var (name, parameter) in layer.named_parameters())
            Compare.Bits(parameter).Should().NotEqual(before[name], "{0} was used", name);
    }

    [Fact]
    public void Names_of_parameters_are_those_of_the_state()
    {
        using var layer = Mixed(1);

        layer.named_parameters().Select(pair => pair.name).Should().BeEquivalentTo(layer.state_dict().Keys);
        layer.state_dict().Keys.Should().Equal(
            "experts.0.up_weight", "experts.0.down_weight", "experts.0.up_bias", "experts.0.down_bias",
            "experts.3.weight", "experts.3.bias", "experts.4.value", "experts.5.module.weight", "experts.5.module.bias",
            "shared_experts.0.weight", "shared_experts.0.bias", "gate.weight", "gate.bias");
    }

    private static MixtureOfExperts Mixed(int seed) => Make.Filled(
        new MixtureOfExperts(
            new GatingNetwork(Make.Options(experts: 6, topK: 3) with { Bias = true }, dtype: ScalarType.Float64),
            [
                .. StackedExperts.FeedForward(2, Make.FeedForward(), dtype: ScalarType.Float64),
                new ThirdOfSum(),
                new LinearExpert(4, 4, dtype: ScalarType.Float64),
                new ConstantExpert(4, Make.Normal(1, 4)),
                new ModuleExpert(nn.Linear(4, 4, dtype: ScalarType.Float64), 4, 4),
            ],
            [new LinearExpert(4, 4, dtype: ScalarType.Float64)]),
        seed);
}
