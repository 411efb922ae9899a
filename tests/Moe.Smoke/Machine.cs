using System.Diagnostics;
using System.Reflection;
using System.Runtime.InteropServices;
using TorchSharp;

namespace Moe.Smoke;

/// <summary>Hardware and versions that a result belongs to.</summary>
/// <param name="Processor">The CPU's name; the architecture where the system does not tell.</param>
/// <param name="LibtorchVersion">As the file beside the libraries says; null where there is none, as in a package.</param>
/// <param name="CudaDevice">The name of the first device that CUDA shows; null without one.</param>
/// <param name="CudaDriver">The CUDA version of the driver, 12080 for 12.8; null without a driver.</param>
internal sealed record Machine(
    string Processor, int Cores, string System, string Runtime, string TorchSharp, string? LibtorchFolder, string? LibtorchVersion,
    bool CudaAvailable, int CudaDevices, string? CudaDevice, int? CudaDriver)
{
    /// <summary>This machine, and the libtorch that this process has loaded.</summary>
    public static Machine Here()
    {
        var cuda = torch.cuda.is_available();
        var folder = LoadedFrom();
        return new Machine(
            ProcessorName(), Environment.ProcessorCount, RuntimeInformation.OSDescription, RuntimeInformation.FrameworkDescription,
            typeof(torch).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()!.InformationalVersion.Split('+')[0],
            folder, VersionIn(folder), cuda, cuda ? torch.cuda.device_count() : 0, cuda ? CudaDriverApi.DeviceName() : null, cuda ? CudaDriverApi.Version() : null);
    }

    public override string ToString() => $"""
        {Processor}, {Cores} cores, {System}, {Runtime}
        TorchSharp {TorchSharp}, libtorch {LibtorchVersion ?? "of unknown version"} in '{LibtorchFolder}'
        CUDA: {(CudaAvailable ? $"{CudaDevices} x {CudaDevice}, driver for {CudaDriver}" : "not available")}
        """;

    private static string ProcessorName()
    {
        const string List = "/proc/cpuinfo";
        var line = File.Exists(List) ? File.ReadLines(List).FirstOrDefault(line => line.StartsWith("model name", StringComparison.Ordinal)) : null;
        return line?.Split(':', 2)[1].Trim() ?? RuntimeInformation.ProcessArchitecture.ToString();
    }

    private static string? LoadedFrom()
    {
        using var process = Process.GetCurrentProcess();
        var library = process.Modules.Cast<ProcessModule>().FirstOrDefault(module => module.ModuleName.Contains("torch_cpu", StringComparison.Ordinal));
        return Path.GetDirectoryName(library?.FileName);
    }

    /// <summary>PyTorch has <c>version.py</c> beside its lib folder, an unpacked libtorch <c>build-version</c>.</summary>
    private static string? VersionIn(string? folder)
    {
        if (folder is null)
            return null;
        var (python, plain) = (Path.Combine(folder, "..", "version.py"), Path.Combine(folder, "..", "build-version"));
        if (File.Exists(python))
            return File.ReadLines(python).FirstOrDefault(line => line.StartsWith("__version__", StringComparison.Ordinal))?.Split('=')[1].Trim(' ', '\'', '"');
        return File.Exists(plain) ? File.ReadAllText(plain).Trim() : null;
    }
}
