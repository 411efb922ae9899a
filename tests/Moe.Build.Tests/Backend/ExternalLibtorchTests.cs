using System.Text.Json;
using Moe.Build.Support;

namespace Moe.Build.Backend;

public sealed class ExternalLibtorchTests : IDisposable
{
    private readonly TemporaryFolder folder = new();

    [Fact]
    public void Folder_that_is_not_there_is_an_error()
    {
        var missing = folder.File("missing");

        Check(missing).Failed().Should().Contain($"error MOE0004: MOE_LIBTORCH is '{missing}', but there is no such folder.");
    }

    [Fact]
    public void Folder_without_libtorch_is_an_error() =>
        Check(folder.Path).Failed().Should().Contain($"error MOE0005: MOE_LIBTORCH is '{folder.Path}', but neither there");

    [Theory]
    [InlineData("site/torch/lib/libtorch_cpu.so", "runtimes/linux-x64/native/libtorch_cpu.so")]
    [InlineData("site/torch/libtorch_cpu.so", "runtimes/linux-x64/native/libtorch_cpu.so")]
    [InlineData("site/torch/lib/libtorch_cpu.dylib", "runtimes/osx-arm64/native/libtorch_cpu.dylib")]
    [InlineData("site/torch/lib/torch_cpu.dll", "runtimes/win-x64/native/torch_cpu.dll")]
    public void Libraries_lie_where_those_of_the_package_would(string library, string link)
    {
        folder.Write(library, "");

        using var evaluated = Evaluate(folder.File("site", "torch"));

        Links(evaluated).Should().Equal(link);
        evaluated.RootElement.GetProperty("Items").GetProperty("PackageReference").EnumerateArray()
            .Select(item => item.GetProperty("Identity").GetString())
            .Should().NotContain("TorchSharp-cpu");
    }

    [Fact]
    public void Program_for_one_platform_has_them_beside_itself()
    {
        folder.Write("libtorch_cpu.so", "");

        using var evaluated = Evaluate(folder.Path, "-p:RuntimeIdentifier=linux-x64");

        Links(evaluated).Should().Equal("libtorch_cpu.so");
    }

    [Fact]
    public void Libraries_of_NVIDIA_that_PyTorch_was_installed_with_come_too()
    {
        folder.Write("site/torch/lib/libtorch_cpu.so", "");
        folder.Write("site/nvidia/cublas/lib/libcublas.so.12", "");

        using var evaluated = Evaluate(folder.File("site", "torch"));

        Links(evaluated).Should().BeEquivalentTo(
            "runtimes/linux-x64/native/libtorch_cpu.so", "runtimes/linux-x64/native/libcublas.so.12");
    }

    [Fact]
    public void Program_runs_on_them()
    {
        var program = HouseProgram.Write(folder);

        DotNet.Run(program, ("MOE_LIBTORCH", Repository.Libtorch), "build", "-c", "Release").Succeeded();
        var output = DotNet.Run(program, "exec", Path.Combine("out", "Program.dll")).Succeeded();

        output.Should().Contain("sum 3");
        File.ReadAllText(Path.Combine(program, "obj", "project.assets.json")).Should().NotContain("libtorch-cpu");
    }

    public void Dispose() => folder.Dispose();

    private static ProcessResult Check(string libtorch) => DotNet.Run(
        Repository.Root, ("MOE_LIBTORCH", libtorch), "msbuild", Repository.ProjectWithBackend, "-t:CollectPackageReferences");

    private static JsonDocument Evaluate(string libtorch, string property = "-p:Unused=1") =>
        JsonDocument.Parse(DotNet.Run(
            Repository.Root, ("MOE_LIBTORCH", libtorch), "msbuild", Repository.ProjectWithBackend,
            "-getItem:None,PackageReference", property).Succeeded());

    private static IEnumerable<string?> Links(JsonDocument evaluated) =>
        evaluated.RootElement.GetProperty("Items").GetProperty("None").EnumerateArray()
            .Where(item => item.GetProperty("DefiningProjectName").GetString() == "ExternalLibtorch")
            .Select(item => item.GetProperty("Link").GetString());
}
