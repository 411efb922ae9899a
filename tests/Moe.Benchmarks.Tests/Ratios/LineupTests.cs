using Moe.Benchmarks.Ratios;
using Moe.Benchmarks.Ratios.Contenders;
using TorchSharp;
using static TorchSharp.torch;

namespace Moe.Benchmarks.Tests.Ratios;

public sealed class LineupTests
{
    private static readonly LayerShape Shape = new("small", 4, 2, 16, 8);

    /// <summary>Meta stands for a device that is not the CPU: a tensor that was made elsewhere shows.</summary>
    [Theory]
    [InlineData(DeviceType.CPU)]
    [InlineData(DeviceType.META)]
    public void All_parameters_are_made_on_the_device(DeviceType type)
    {
        var device = new Device(type);
        using var mixture = Mixture.Build(Shape, ScalarType.Float32, device);
        using var dense = new DenseSwiGlu(Shape, ScalarType.BFloat16, device);
        using var separate = new SeparateExperts(Shape, ScalarType.BFloat16, device);

        foreach (var module in new nn.Module[] { mixture, dense, separate })
            module.parameters().Should().NotBeEmpty().And.OnlyContain(parameter => parameter.device_type == type);
    }

    [Fact]
    public void Is_made_on_another_device_as_a_whole()
    {
        using var lineup = new Lineup(Shape, ScalarType.Float32, new Device(DeviceType.META));
        using var scope = NewDisposeScope();
        var tokens = ones(3, Shape.Hidden, device: new Device(DeviceType.META));

        lineup.Logits(tokens).device_type.Should().Be(DeviceType.META);
        lineup.Dense.Forward(tokens).device_type.Should().Be(DeviceType.META);
    }
}
