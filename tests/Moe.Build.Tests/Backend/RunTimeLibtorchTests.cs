using Moe.Build.Support;

namespace Moe.Build.Backend;

/// <summary>Programs that are built without libtorch and get one where they run, and the script that gives it to them.</summary>
public sealed class RunTimeLibtorchTests : IDisposable
{
    private static readonly string Script = Path.Combine(Repository.Root, "eng", "run.sh");

    private readonly TemporaryFolder folder = new();

    [Fact]
    public void Program_without_libtorch_runs_on_the_one_that_the_loader_is_shown()
    {
        if (!OperatingSystem.IsLinux())
            return;
        var program = HouseProgram.Write(folder);
        DotNet.Run(program, "build", "-c", "Release", "-p:TorchBackend=none").Succeeded();

        var output = DotNet.Run(program, ("LD_LIBRARY_PATH", Repository.Libtorch), "exec", Path.Combine("out", "Program.dll")).Succeeded();

        output.Should().Contain("sum 3");
        Directory.GetFiles(program, "libtorch*", SearchOption.AllDirectories).Should().BeEmpty();
    }

    [Theory]
    [InlineData("lib")]
    [InlineData("")]
    public void Script_starts_the_program_on_the_libraries_of_the_folder_and_NVIDIAs_beside_it(string below)
    {
        if (!OperatingSystem.IsLinux())
            return;
        foreach (var library in new[] { "libc10.so", "libtorch_cpu.so", "libtorch.so" })
            folder.Write($"site/torch/lib/{library}", "");
        folder.Write("site/nvidia/cublas/lib/libcublas.so.12", "");
        File.Copy(Script, folder.File("run.sh"));
        var program = folder.Write("smoke/Moe.Smoke", "#!/usr/bin/env bash\necho \"$LD_LIBRARY_PATH: $*\"\n");
        File.SetUnixFileMode(program, UnixFileMode.UserRead | UnixFileMode.UserExecute);

        var output = DotNet.Start(
            "bash", folder.Path, ["run.sh", "smoke", "--device", "cpu"], [("MOE_LIBTORCH", Path.Combine("site", "torch", below)), ("LD_LIBRARY_PATH", "/own")]).Succeeded();

        var lib = folder.File("site", "torch", "lib");
        output.Trim().Should().Be($"{lib}:{lib}/../../nvidia/cublas/lib:/own: --device cpu");
    }

    [Fact]
    public void Script_names_what_is_wrong_with_the_folder()
    {
        if (!OperatingSystem.IsLinux())
            return;
        var missing = folder.File("missing");
        folder.Write("torch/lib/libc10.so", "");

        Run("smoke").Should().Be("run.sh: where libtorch is has to be said, with --libtorch DIR or MOE_LIBTORCH (run.sh --help).");
        Run("--libtorch", missing, "smoke").Should().Be($"run.sh: the folder of libtorch, '{missing}', is not there.");
        Run("--libtorch", folder.File("torch"), "smoke").Should().Be($"run.sh: there is no libtorch_cpu.so in '{folder.File("torch", "lib")}'.");
    }

    public void Dispose() => folder.Dispose();

    private string Run(params string[] arguments)
    {
        var result = DotNet.Start("bash", folder.Path, [Script, .. arguments], []);
        result.ExitCode.Should().Be(2);
        return result.Output.Trim();
    }
}
