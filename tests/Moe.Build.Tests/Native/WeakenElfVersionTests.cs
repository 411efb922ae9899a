using Moe.Build.Support;

namespace Moe.Build.Native;

public sealed class WeakenElfVersionTests : IDisposable
{
    private readonly TemporaryFolder folder = new();
    private readonly BuildLog log = new();

    [Fact]
    public void Library_of_the_package_differs_in_one_flag()
    {
        var original = File.ReadAllBytes(Repository.TorchSharpLibrary);

        Run(Repository.TorchSharpLibrary).Should().BeTrue();

        var copy = File.ReadAllBytes(Destination);
        copy.Length.Should().Be(original.Length);
        var different = Enumerable.Range(0, copy.Length).Where(i => copy[i] != original[i]).ToArray();
        different.Should().ContainSingle("the flags have two bytes, of which the lower takes the mark");
        copy[different[0]].Should().Be(2);
        File.ReadAllBytes(Repository.TorchSharpLibrary).Should().Equal(original, "the package is only read");
    }

    [Fact]
    public void Weakened_copy_of_a_weakened_copy_is_the_same()
    {
        Run(Repository.TorchSharpLibrary).Should().BeTrue();
        var once = File.ReadAllBytes(Destination);

        Run(Destination).Should().BeTrue();

        File.ReadAllBytes(Destination).Should().Equal(once);
    }

    [Fact]
    public void Files_linked_to_the_old_copy_keep_their_bytes()
    {
        var old = folder.Write("copy/library.so", "old");
        using var open = File.Open(old, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);

        Run(Repository.TorchSharpLibrary).Should().BeTrue();

        using var reader = new StreamReader(open);
        reader.ReadToEnd().Should().Be("old");
        Directory.GetFiles(folder.File("copy")).Should().Equal(Destination);
    }

    [Fact]
    public void Refused_library_is_an_error_with_code_file_and_reason_and_leaves_no_copy()
    {
        var source = folder.Write("text.so", "no library");

        Run(source).Should().BeFalse();

        var error = log.Errors.Should().ContainSingle().Subject;
        error.Code.Should().Be("MOE0001");
        error.File.Should().Be(source);
        error.Message.Should().Be(
            "Cannot make the need for GLIBCXX_3.4.32 weak: it is not an ELF file. " +
            "Set MoeFixTorchSharpNative to false to build with the file as it is.");
        File.Exists(Destination).Should().BeFalse();
    }

    [Fact]
    public void Missing_library_is_an_error_with_a_code_of_its_own()
    {
        Run(folder.File("none.so")).Should().BeFalse();

        log.Errors.Should().ContainSingle().Which.Code.Should().Be("MOE0002");
    }

    public void Dispose() => folder.Dispose();

    private string Destination => folder.File("copy", "library.so");

    private bool Run(string source) => new WeakenElfVersion
    {
        BuildEngine = log,
        Source = source,
        Destination = Destination,
        Version = ElfLibrary.Version,
        Symbol = ElfLibrary.Symbol,
    }.Execute();
}
