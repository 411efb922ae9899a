using System.Reflection;

namespace Moe.Build.Support;

/// <summary>Where things lie, as the build of this project wrote it into the assembly.</summary>
internal static class Repository
{
    public static string Root { get; } = Metadata("RepositoryRoot");

    public static string PackageCache { get; } = Metadata("PackageCache");

    public static string TorchSharpVersion { get; } = Metadata("TorchSharpVersion");

    public static string LibtorchVersion { get; } = Metadata("LibtorchVersion");

    /// <summary>The folder of TorchSharp in the package cache.</summary>
    public static string TorchSharpPackage { get; } = Metadata("TorchSharpPackage");

    /// <summary>TorchSharp's library for Linux as it lies in the package, whatever system the tests run on.</summary>
    public static string TorchSharpLibrary { get; } =
        Path.Combine(TorchSharpPackage, "runtimes", "linux-x64", "native", "libLibTorchSharp.so");

    /// <summary>A libtorch that is sure to be on the machine: the one that the other tests run on.</summary>
    public static string Libtorch { get; } = LibtorchOfThePackage();

    /// <summary>A project here that asks for a backend.</summary>
    public static string ProjectWithBackend { get; } =
        Path.Combine(Root, "tests", "Moe.Core.Tests", "Moe.Core.Tests.csproj");

    private static string LibtorchOfThePackage()
    {
        var runtime = OperatingSystem.IsWindows() ? "win-x64" : OperatingSystem.IsMacOS() ? "osx-arm64" : "linux-x64";
        return Path.Combine(PackageCache, "libtorch-cpu-" + runtime, LibtorchVersion, "runtimes", runtime, "native");
    }

    private static string Metadata(string key) =>
        typeof(Repository).Assembly.GetCustomAttributes<AssemblyMetadataAttribute>().Single(a => a.Key == key).Value!;
}
