namespace Moe.Training.Tests.Checkpoints;

public sealed class AtomicFileTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void A_file_is_replaced_as_a_whole_and_nothing_is_left_beside_it()
    {
        AtomicFile.Write(_folder.File("a"), stream => stream.Write(new byte[100]));
        AtomicFile.Write(_folder.File("a"), stream =>
        {
            stream.WriteByte(7);
            File.ReadAllBytes(_folder.File("a")).Should().HaveCount(100, "the old file is there until the new one is whole");
        });
        File.ReadAllBytes(_folder.File("a")).Should().Equal(7);
        _folder.Names().Should().Equal("a");
    }

    [Fact]
    public void A_writer_that_fails_midway_leaves_the_old_file_and_nothing_else()
    {
        AtomicFile.Write(_folder.File("a"), stream => stream.WriteByte(1));
        var write = () => AtomicFile.Write(_folder.File("a"), stream =>
        {
            stream.Write(new byte[200_000]);
            throw new InvalidOperationException("midway");
        });
        write.Should().Throw<InvalidOperationException>().WithMessage("midway");
        File.ReadAllBytes(_folder.File("a")).Should().Equal(1);
        _folder.Names().Should().Equal("a");
    }

    [Fact]
    public void The_leftover_of_a_killed_writer_does_no_harm()
    {
        File.WriteAllBytes(_folder.File("a.tmp"), new byte[500]);
        AtomicFile.Write(_folder.File("a"), stream => stream.WriteByte(2));
        File.ReadAllBytes(_folder.File("a")).Should().Equal(2);
        _folder.Names().Should().Equal("a");
    }

    [Fact]
    public void Folders_are_made_if_need_be()
    {
        var path = Path.Combine(_folder.File("new"), "deeper", "a");
        AtomicFile.Write(path, stream => stream.WriteByte(3));
        File.ReadAllBytes(path).Should().Equal(3);
    }

    [Fact]
    public void A_place_that_cannot_be_written_is_named()
    {
        File.WriteAllText(_folder.File("file"), "not a folder");
        var below = Path.Combine(_folder.File("file"), "a");
        var write = () => AtomicFile.Write(below, stream => stream.WriteByte(1));
        write.Should().Throw<IOException>().WithMessage($"{below} cannot be written: *");
        _folder.Names().Should().Equal("file");
    }

    [Fact]
    public void A_folder_in_place_of_the_file_is_named_and_nothing_is_left_beside_it()
    {
        Directory.CreateDirectory(_folder.File("folder"));
        var write = () => AtomicFile.Write(_folder.File("folder"), stream => stream.WriteByte(1));
        write.Should().Throw<IOException>().WithMessage($"{_folder.File("folder")} cannot be written: *");
        _folder.Names().Should().Equal("folder");
    }
}
