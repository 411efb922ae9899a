using TorchSharp;
using static TorchSharp.torch;

namespace Moe.Core;

/// <summary>
/// Where the small steps of routing run: in plain loops over memory that the host can read, or by the operators of the device. Both give the same; a chain of operators
/// on a few numbers costs many times what the loop does, but reading from another device would have to wait for it.
/// </summary>
internal static class HostPath
{
    [ThreadStatic]
    private static bool _forbidden;

    /// <summary>Makes this thread go the way of other devices on the CPU too; for tests, which compare the two.</summary>
    internal static bool Forbidden
    {
        get => _forbidden;
        set => _forbidden = value;
    }

    /// <summary>Whether the tensor may be read in place: on the CPU, and small enough for a span of its bytes.</summary>
    public static bool Allows(Tensor tensor) => tensor.device_type == DeviceType.CPU && !_forbidden && tensor.numel() <= int.MaxValue / sizeof(long);
}
