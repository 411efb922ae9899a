namespace Moe.HuggingFace.Tests;

public sealed class AtomicFolderTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void A_folder_comes_into_being_with_those_above_it_when_it_is_complete()
    {
        var full = _folder.File("a/b/c");
        AtomicFolder.Write(full + Path.DirectorySeparatorChar, temporary =>
        {
            Directory.Exists(full).Should().BeFalse();
            File.WriteAllText(Path.Combine(temporary, "x"), "x");
        });
        Everything().Should().Equal("a", "a/b", "a/b/c", "a/b/c/x");
    }

    [Fact]
    public void What_fails_leaves_nothing_neither_the_folder_nor_those_made_for_it()
    {
        Directory.CreateDirectory(_folder.File("a"));
        var write = () => AtomicFolder.Write(_folder.File("a/b/c"), temporary =>
        {
            File.WriteAllText(Path.Combine(temporary, "x"), "x");
            throw new OperationCanceledException();
        });
        write.Should().Throw<OperationCanceledException>();
        Everything().Should().Equal("a");
    }

    [Fact]
    public void What_others_have_put_into_a_new_folder_meanwhile_stays()
    {
        var write = () => AtomicFolder.Write(_folder.File("a/b/c"), _ =>
        {
            File.WriteAllText(_folder.File("a/theirs"), "x");
            throw new OperationCanceledException();
        });
        write.Should().Throw<OperationCanceledException>();
        Everything().Should().Equal("a", "a/theirs");
    }

    [Theory]
    [InlineData("taken", "*taken is there already; take*")]
    [InlineData("taken/below", "*below cannot be written: *")]
    [InlineData("other", "*other.tmp is there already, left by*")]
    public void A_file_in_the_way_is_named_and_stays(string folder, string message)
    {
        File.WriteAllText(_folder.File("taken"), "");
        File.WriteAllText(_folder.File("other.tmp"), "");
        var write = () => AtomicFolder.Write(_folder.File(folder), _ => throw new InvalidOperationException("It must not come to that."));
        write.Should().Throw<IOException>().WithMessage(message);
        Everything().Should().Equal("other.tmp", "taken");
    }

    private string[] Everything() =>
        [.. Directory.GetFileSystemEntries(_folder.FullName, "*", SearchOption.AllDirectories).Select(path => Path.GetRelativePath(_folder.FullName, path).Replace('\\', '/')).Order(StringComparer.Ordinal)];
}
