using System.Text.Json;
using Moe.Build.Support;

namespace Moe.Build.Backend;

/// <summary>What the choice of a backend evaluates to; most of these packages cannot be restored on most machines.</summary>
public class TorchBackendTests
{
    [Theory]
    [InlineData(null, "TorchSharp-cpu", "0.107.0", "0.107.0")]
    [InlineData("cpu", "TorchSharp-cpu", "0.107.0", "0.107.0")]
    [InlineData("cuda-12.8-win", "libtorch-cuda-12.8-win-x64", "2.10.0", "0.107.0")]
    [InlineData("cuda-12.8-linux", "libtorch-cuda-12.8-linux-x64", "2.10.0", "0.107.0")]
    [InlineData("cuda-12.1-win", "libtorch-cuda-12.1-win-x64", "2.5.1", "[0.105.0]")]
    public void Backend_is_one_package_and_the_TorchSharp_that_goes_with_it(
        string? backend, string package, string packageVersion, string torchSharpVersion)
    {
        using var evaluated = Evaluate(backend);

        Libtorch(evaluated).Should().Equal(package);
        VersionOf(evaluated, package).Should().Be(packageVersion);
        VersionOf(evaluated, "TorchSharp").Should().Be(torchSharpVersion);
    }

    [Fact]
    public void Without_backend_a_program_references_TorchSharp_alone_whatever_libtorch_is_there()
    {
        using var evaluated = JsonDocument.Parse(DotNet.Run(
            Repository.Root, ("MOE_LIBTORCH", Repository.Libtorch), "msbuild", Repository.ProjectWithBackend,
            "-getItem:PackageReference,PackageVersion,None", "-p:TorchBackend=none").Succeeded());

        Libtorch(evaluated).Should().BeEmpty();
        Names(evaluated, "None").Should().NotContain(name => name.Contains("torch_cpu", StringComparison.Ordinal));
        VersionOf(evaluated, "TorchSharp").Should().Be(Repository.TorchSharpVersion);
    }

    [Fact]
    public void Libraries_reference_TorchSharp_alone()
    {
        using var evaluated = Evaluate(
            "cuda-12.8-linux", Path.Combine(Repository.Root, "src", "Moe.Core", "Moe.Core.csproj"));

        Libtorch(evaluated).Should().BeEmpty();
        Names(evaluated, "PackageReference").Should().Contain("TorchSharp");
    }

    // Restore collects the references first; a build without restore resolves their files.
    [Theory]
    [InlineData("CollectPackageReferences")]
    [InlineData("ResolvePackageAssets")]
    public void Unknown_backend_is_an_error_that_lists_the_known(string target)
    {
        var output = DotNet.Run(
            Repository.Root, "msbuild", Repository.ProjectWithBackend, "-t:" + target, "-p:TorchBackend=rocm").Failed();

        output.Should().Contain(
            "error MOE0003: TorchBackend is 'rocm', which is not one of: cpu, cuda-12.8-win, cuda-12.8-linux, cuda-12.1-win, none.");
    }

    private static JsonDocument Evaluate(string? backend, string? project = null)
    {
        string[] choice = backend is null ? [] : ["-p:TorchBackend=" + backend];
        return JsonDocument.Parse(DotNet.Run(
            Repository.Root,
            ["msbuild", project ?? Repository.ProjectWithBackend, "-getItem:PackageReference,PackageVersion", .. choice])
            .Succeeded());
    }

    private static IEnumerable<string> Names(JsonDocument evaluated, string kind) =>
        evaluated.RootElement.GetProperty("Items").GetProperty(kind).EnumerateArray()
            .Select(item => item.GetProperty("Identity").GetString()!);

    private static IEnumerable<string> Libtorch(JsonDocument evaluated) =>
        Names(evaluated, "PackageReference").Where(name =>
            name.StartsWith("libtorch", StringComparison.OrdinalIgnoreCase) ||
            name.StartsWith("TorchSharp-", StringComparison.OrdinalIgnoreCase));

    private static string VersionOf(JsonDocument evaluated, string package) =>
        evaluated.RootElement.GetProperty("Items").GetProperty("PackageVersion").EnumerateArray()
            .Single(item => item.GetProperty("Identity").GetString() == package)
            .GetProperty("Version").GetString()!;
}
