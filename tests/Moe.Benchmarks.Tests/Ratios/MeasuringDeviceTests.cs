using Moe.Benchmarks.Ratios;
using TorchSharp;

namespace Moe.Benchmarks.Tests.Ratios;

public sealed class MeasuringDeviceTests
{
    [Theory]
    [InlineData("cpu", null, "cpu")]
    [InlineData("cuda", 0, "cuda:0")]
    [InlineData("cuda:0", 0, "cuda:0")]
    [InlineData("cuda:12", 12, "cuda:12")]
    public void Reads_a_name(string text, int? index, string name)
    {
        var device = MeasuringDevice.Parse(text)!;

        device.Index.Should().Be(index);
        device.Name.Should().Be(name);
        device.IsCpu.Should().Be(index is null);
        device.Torch.type.Should().Be(index is null ? DeviceType.CPU : DeviceType.CUDA);
        if (index is { } number)
            device.Torch.index.Should().Be(number);
    }

    [Theory]
    [InlineData("")]
    [InlineData("gpu")]
    [InlineData("CUDA")]
    [InlineData("cpu:0")]
    [InlineData("cuda:")]
    [InlineData("cuda:-1")]
    [InlineData("cuda: 1")]
    [InlineData("cuda:x")]
    [InlineData("cuda:99999999999")]
    public void Does_not_read_anything_else(string text) => MeasuringDevice.Parse(text).Should().BeNull();

    [Theory]
    [InlineData("cpu", 0, null)]
    [InlineData("cuda", 0, "*no CUDA device*")]
    [InlineData("cuda:1", 0, "*no CUDA device*")]
    [InlineData("cuda", 1, null)]
    [InlineData("cuda:1", 1, "*the last one is cuda:0.")]
    [InlineData("cuda:1", 2, null)]
    public void Says_why_a_device_is_missing(string text, int count, string? expected)
    {
        var reason = MeasuringDevice.Parse(text)!.WhyMissing(count);

        if (expected is null)
            reason.Should().BeNull();
        else
            reason.Should().Match(expected);
    }

    [Fact]
    public void The_CPU_is_always_there_and_never_waited_for()
    {
        MeasuringDevice.Cpu.WhyMissing().Should().BeNull();
        MeasuringDevice.Cpu.Invoking(device => device.Synchronize()).Should().NotThrow();
    }
}
