using System.Globalization;
using TorchSharp;
using static TorchSharp.torch;

namespace Moe.Benchmarks.Ratios;

/// <summary>Where the layers live that are timed: on the CPU, or on a CUDA device, which still computes when a call has returned.</summary>
/// <param name="Index">Which CUDA device; null for the CPU.</param>
internal sealed record MeasuringDevice(int? Index)
{
    private const string CpuName = "cpu";
    private const string CudaName = "cuda";

    public static MeasuringDevice Cpu { get; } = new((int?)null);

    public bool IsCpu => Index is null;

    public string Name => IsCpu ? CpuName : $"{CudaName}:{Index}";

    /// <summary>For tensors and modules.</summary>
    public Device Torch => Index is { } index ? new Device(DeviceType.CUDA, index) : CPU;

    /// <summary>Reads <c>cpu</c>, <c>cuda</c> (the first one) or <c>cuda:1</c>; whether it is there is another question.</summary>
    /// <returns>Null for anything else.</returns>
    public static MeasuringDevice? Parse(string name) => name switch
    {
        CpuName => Cpu,
        CudaName => new(0),
        _ when name.StartsWith($"{CudaName}:", StringComparison.Ordinal)
            && int.TryParse(name.AsSpan(CudaName.Length + 1), NumberStyles.None, CultureInfo.InvariantCulture, out var index) => new(index),
        _ => null,
    };

    /// <summary>Why nothing can be measured there; null where it can.</summary>
    public string? WhyMissing() => IsCpu ? null : WhyMissing(cuda.is_available() ? cuda.device_count() : 0);

    /// <inheritdoc cref="WhyMissing()"/>
    /// <param name="count">How many CUDA devices there are.</param>
    public string? WhyMissing(int count) =>
        IsCpu || Index < count ? null
        : count == 0 ? "this libtorch sees no CUDA device."
        : $"there is no such device: the last one is {CudaName}:{count - 1}.";

    /// <summary>Returns when all that was asked for is computed. On the CPU it is when a call returns, and nothing is done.</summary>
    public void Synchronize()
    {
        if (!IsCpu)
            cuda.synchronize(Torch);
    }
}
