using System.Runtime.InteropServices;
using System.Text;

[assembly: DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]

namespace Moe.Smoke;

/// <summary>What NVIDIA's driver tells about the device, which TorchSharp does not. Null where the driver is not there or has no answer.</summary>
internal static class CudaDriverApi
{
    private const string Driver = "libcuda.so.1";

    public static string? DeviceName()
    {
        var name = new byte[256];
        if (!NativeLibrary.TryLoad(Driver, out _) || cuInit(0) != 0 || cuDeviceGet(out var device, 0) != 0 || cuDeviceGetName(name, name.Length, device) != 0)
            return null;
        return Encoding.UTF8.GetString(name).TrimEnd('\0');
    }

    public static int? Version() => NativeLibrary.TryLoad(Driver, out _) && cuDriverGetVersion(out var version) == 0 ? version : null;

    [DllImport(Driver)]
    private static extern int cuInit(uint flags);

    [DllImport(Driver)]
    private static extern int cuDeviceGet(out int device, int ordinal);

    [DllImport(Driver)]
    private static extern int cuDeviceGetName([Out] byte[] name, int length, int device);

    [DllImport(Driver)]
    private static extern int cuDriverGetVersion(out int version);
}
