using Moe.Build.Support;

namespace Moe.Build.Packages;

[Collection(nameof(PackageFeed))]
public class ConsumerTests(Consumer consumer) : IClassFixture<Consumer>
{
    private const string Library = "libLibTorchSharp.so";
    private const string Step = "loads on systems without GLIBCXX_3.4.32";

    private static readonly string InRuntimes = Path.Combine("runtimes", "linux-x64", "native", Library);

    [Fact]
    public void Built_program_runs() => ShouldBeTheOutput(consumer.Run());

    [Fact]
    public void Native_fix_arrives_through_Moe_Training()
    {
        consumer.FirstBuild.Should().Contain(Step);
        ShouldBeWeakened(consumer.BuiltLibrary);
    }

    [Fact]
    public void Second_build_does_not_fix_again()
    {
        consumer.SecondBuild.Should().NotContain(Step);
        ShouldBeWeakened(consumer.BuiltLibrary);
    }

    [Fact]
    public void Published_program_runs_and_has_every_platform()
    {
        var published = consumer.Publish("portable");

        ShouldBeTheOutput(DotNet.Run(published, "exec", "Consumer.dll").Succeeded());
        ShouldBeWeakened(Path.Combine(published, InRuntimes));
        foreach (var other in new[] { "win-x64/native/LibTorchSharp.dll", "osx-arm64/native/libLibTorchSharp.dylib" })
            ShouldBeAsPackaged(Path.Combine(published, "runtimes", other), "runtimes/" + other);
    }

    [Fact]
    public void Program_published_for_Linux_with_its_runtime_runs_there()
    {
        var published = consumer.Publish("linux", "-r", "linux-x64", "--self-contained");

        ShouldBeWeakened(Path.Combine(published, Library));
        if (OperatingSystem.IsLinux())
            ShouldBeTheOutput(DotNet.Start(Path.Combine(published, "Consumer"), published, [], []).Succeeded());
    }

    [Fact]
    public void Program_published_for_Windows_has_nothing_changed()
    {
        var published = consumer.Publish("windows", "-r", "win-x64", "--no-self-contained", "-p:UseAppHost=false");

        ShouldBeAsPackaged(Path.Combine(published, "LibTorchSharp.dll"), "runtimes/win-x64/native/LibTorchSharp.dll");
        File.Exists(Path.Combine(published, Library)).Should().BeFalse();
    }

    [Fact]
    public void Switched_off_the_library_is_as_packaged()
    {
        var built = consumer.Build("off", "-p:MoeFixTorchSharpNative=false");

        ShouldBeAsPackaged(Path.Combine(built, InRuntimes), "runtimes/linux-x64/native/" + Library);
    }

    private static void ShouldBeTheOutput(string output) =>
        output.ReplaceLineEndings("\n").Trim().Should().Be("300 steps\nlearned");

    private static void ShouldBeWeakened(string library)
    {
        var original = File.ReadAllBytes(Repository.TorchSharpLibrary);
        var fixedCopy = File.ReadAllBytes(library);

        fixedCopy.Zip(original).Count(pair => pair.First != pair.Second).Should().Be(1);
        fixedCopy.Length.Should().Be(original.Length);
    }

    private static void ShouldBeAsPackaged(string file, string inPackage) =>
        File.ReadAllBytes(file).Should().Equal(File.ReadAllBytes(Path.Combine(Repository.TorchSharpPackage, inPackage)));
}
