using System.Text.Json;
using Moe.Build.Support;

namespace Moe.Build.Native;

/// <summary>The targets alone, in a project that has of the SDK only the two targets they stand between.</summary>
public sealed class TargetsTests : IDisposable
{
    private const string InPackage = "runtimes/linux-x64/native/libLibTorchSharp.so";

    private readonly TemporaryFolder folder = new();

    [Theory]
    [InlineData("RuntimeTargetsCopyLocalItems")]
    [InlineData("NativeCopyLocalItems")]
    public void Copy_takes_the_place_of_the_library_with_all_that_is_known_of_it(string kind)
    {
        File.WriteAllBytes(folder.File("libLibTorchSharp.so"), new ElfLibrary().ToBytes());

        var item = Build(kind, "libLibTorchSharp.so").Should().ContainSingle().Subject;

        item.GetProperty("Identity").GetString().Should().Be("obj/TorchSharp/1.2.3/" + InPackage);
        item.GetProperty("PathInPackage").GetString().Should().Be(InPackage);
        File.Exists(folder.File("obj", "TorchSharp", "1.2.3", "runtimes", "linux-x64", "native", "libLibTorchSharp.so"))
            .Should().BeTrue();
    }

    [Theory]
    [InlineData("libtorch_cpu.so")]
    [InlineData("libLibTorchSharp.dylib")]
    [InlineData("LibTorchSharp.dll")]
    public void Other_libraries_stay_where_they_are(string name) =>
        Build("NativeCopyLocalItems", name).Should().ContainSingle()
            .Which.GetProperty("Identity").GetString().Should().Be(name);

    [Fact]
    public void Switched_off_the_library_stays_where_it_is() =>
        Build("NativeCopyLocalItems", "libLibTorchSharp.so", "-p:MoeFixTorchSharpNative=false").Should().ContainSingle()
            .Which.GetProperty("Identity").GetString().Should().Be("libLibTorchSharp.so");

    [Fact]
    public void Library_that_is_not_what_is_expected_stops_the_build()
    {
        folder.Write("libLibTorchSharp.so", "no library");
        Write("NativeCopyLocalItems", "libLibTorchSharp.so");

        var output = DotNet.Run(folder.Path, "msbuild", "-t:ResolveAssemblyReferences").Failed();

        output.Should().Contain("libLibTorchSharp.so : error MOE0001: Cannot make the need for GLIBCXX_3.4.32 weak: it is not an ELF file.");
    }

    public void Dispose() => folder.Dispose();

    private JsonElement[] Build(string kind, string library, params string[] more)
    {
        Write(kind, library);
        var output = DotNet.Run(
            folder.Path, ["msbuild", "-t:ResolveAssemblyReferences", "-getItem:" + kind, .. more]).Succeeded();
        using var result = JsonDocument.Parse(output);
        return [.. result.RootElement.GetProperty("Items").GetProperty(kind).Clone().EnumerateArray()];
    }

    private void Write(string kind, string library) => folder.Write("test.proj", $"""
        <Project>
          <PropertyGroup>
            <IntermediateOutputPath>obj/</IntermediateOutputPath>
          </PropertyGroup>
          <Target Name="ResolvePackageAssets">
            <ItemGroup>
              <{kind} Include="{library}" NuGetPackageId="TorchSharp" NuGetPackageVersion="1.2.3" PathInPackage="{InPackage}" />
            </ItemGroup>
          </Target>
          <Target Name="ResolveAssemblyReferences" DependsOnTargets="ResolvePackageAssets" />
          <Import Project="{Path.Combine(Repository.Root, "src", "Moe.Core", "buildTransitive", "Moe.Core.targets")}" />
        </Project>
        """);
}
