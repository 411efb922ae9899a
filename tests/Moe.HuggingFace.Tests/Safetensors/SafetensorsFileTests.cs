using static TorchSharp.torch;

namespace Moe.HuggingFace.Tests.Safetensors;

public sealed class SafetensorsFileTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Pieces_are_read_where_they_are_and_not_outside()
    {
        using var file = SafetensorsFile.Open(TwoTensors());
        var piece = new byte[3];
        file.Read("b", 1, piece);
        piece.Should().Equal(6, 7, 8);
        file.Read("b", 4, []);
        file.Invoking(it => it.Read("b", 2, new byte[3])).Should().Throw<ArgumentOutOfRangeException>().WithMessage("*From byte 2 on, \"b\" has only 2 bytes*");
        file.Invoking(it => it.Read("b", 5, [])).Should().Throw<ArgumentOutOfRangeException>();
        file.Invoking(it => it.Read("b", -1, piece)).Should().Throw<ArgumentOutOfRangeException>();
        file.Invoking(it => it.Read("b", long.MaxValue, piece)).Should().Throw<ArgumentOutOfRangeException>();
    }

    [Fact]
    public void An_unknown_name_is_named_together_with_the_file()
    {
        using var file = SafetensorsFile.Open(TwoTensors());
        file.Invoking(it => it.Read("c", 0, [])).Should().Throw<KeyNotFoundException>().WithMessage($"{_folder.File()} has no tensor \"c\".");
        file.Invoking(it => it.ReadTensor("c")).Should().Throw<KeyNotFoundException>();
        file.Invoking(it => it.Map("c")).Should().Throw<KeyNotFoundException>();
    }

    [Fact]
    public void A_file_cut_off_later_gives_an_exception_and_no_crash()
    {
        using var file = SafetensorsFile.Open(TwoTensors());
        using (var cut = new FileStream(_folder.File(), FileMode.Open, FileAccess.Write, FileShare.ReadWrite | FileShare.Delete))
            cut.SetLength(cut.Length - 2);
        using var whole = file.ReadTensor("a");
        whole.bytes.ToArray().Should().Equal(1, 2, 3, 4);
        file.Invoking(it => it.ReadTensor("b")).Should().Throw<IOException>().WithMessage($"{_folder.File()} has become shorter: *");
        file.Invoking(it => it.Read("b", 0, new byte[4])).Should().Throw<IOException>();
        file.Invoking(it => it.Map("b")).Should().Throw<IOException>();
        file.Invoking(it => it.MapTensor("b")).Should().Throw<IOException>();
    }

    [Fact]
    public void A_failed_read_leaves_no_tensor_behind()
    {
        File.WriteAllBytes(_folder.File(), SmallFile.WithFields("\"dtype\":\"BOOL\",\"shape\":[4],\"data_offsets\":[0,4]"));
        using var file = SafetensorsFile.Open(_folder.File());
        TorchSharp.DisposeScopeManager.Statistics.Reset();
        file.Invoking(it => it.ReadTensor("a")).Should().Throw<InvalidDataException>().WithMessage("*\"a\" is of type BOOL, but its byte 1 is 2, neither 0 nor 1*");
        file.Invoking(it => it.MapTensor("a")).Should().Throw<InvalidDataException>();
        TorchSharp.DisposeScopeManager.Statistics.ThreadTotalLiveCount.Should().Be(0);
    }

    [Fact]
    public void What_is_not_there_or_closed_says_so()
    {
        FluentActions.Invoking(() => SafetensorsFile.Open(_folder.File("none"))).Should().Throw<FileNotFoundException>();
        FluentActions.Invoking(() => SafetensorsFile.Open(_folder.FullName)).Should().Throw<IOException>().WithMessage($"{_folder.FullName} cannot be read: It is a folder.");
        FluentActions.Invoking(() => SafetensorsFile.Open("")).Should().Throw<ArgumentException>();
        var file = SafetensorsFile.Open(TwoTensors());
        file.Dispose();
        file.Dispose();
        file.Invoking(it => it.ReadTensor("a")).Should().Throw<ObjectDisposedException>();
        file.Invoking(it => it.Map("a")).Should().Throw<ObjectDisposedException>();
        file.Invoking(it => it.MapTensor("a")).Should().Throw<ObjectDisposedException>();
    }

    [Fact]
    public void A_refused_file_is_closed_again()
    {
        File.WriteAllBytes(_folder.File(), new byte[100]);
        FluentActions.Invoking(() => SafetensorsFile.Open(_folder.File())).Should().Throw<InvalidDataException>().WithMessage($"{_folder.File()} *");
        using var alone = new FileStream(_folder.File(), FileMode.Open, FileAccess.ReadWrite, FileShare.None);
    }

    [Fact]
    public unsafe void A_mapped_tensor_shows_the_bytes_and_outlives_its_file()
    {
        MappedTensor map;
        using (var file = SafetensorsFile.Open(TwoTensors()))
            map = file.Map("b");
        map.Length.Should().Be(4);
        map.Bytes.ToArray().Should().Equal(5, 6, 7, 8);
        map.Slice(2, 2).ToArray().Should().Equal(7, 8);
        map.Start[3].Should().Be(8);
        map.Invoking(it => it.Slice(2, 3).Length).Should().Throw<ArgumentOutOfRangeException>();
        map.Invoking(it => it.Slice(-1, 1).Length).Should().Throw<ArgumentOutOfRangeException>();
        map.Dispose();
        map.Dispose();
        map.Invoking(it => it.Bytes.Length).Should().Throw<ObjectDisposedException>();
    }

    [Fact]
    public void A_tensor_over_the_file_outlives_it_and_never_changes_it()
    {
        Tensor tensor;
        using (var file = SafetensorsFile.Open(TwoTensors()))
            tensor = file.MapTensor("b");
        var before = File.ReadAllBytes(_folder.File());
        tensor.bytes.ToArray().Should().Equal(5, 6, 7, 8);
        tensor.zero_();
        tensor.bytes.ToArray().Should().Equal(0, 0, 0, 0);
        File.ReadAllBytes(_folder.File()).Should().Equal(before);
        tensor.Dispose();
    }

    [Fact]
    public unsafe void An_empty_tensor_can_be_mapped()
    {
        SafetensorsWriter.WritePieces(_folder.File(), [new("e", ElementType.Float32, [0, 3])], (_, _, _) => throw new InvalidOperationException("There is nothing to read."));
        using var file = SafetensorsFile.Open(_folder.File());
        using var map = file.Map("e");
        map.Bytes.Length.Should().Be(0);
        (map.Start is null).Should().BeTrue();
        using var tensor = file.MapTensor("e");
        tensor.shape.Should().Equal(0, 3);
    }

    [Fact]
    public void More_than_a_span_can_hold_is_read_and_mapped_in_pieces()
    {
        const long length = 3L << 30;
        const string header = """{"large":{"dtype":"U8","shape":[3,1073741824],"data_offsets":[0,3221225472]}}""";
        using (var sparse = new FileStream(_folder.File(), FileMode.Create))
        {
            sparse.Write(SmallFile.Of(header, 0));
            sparse.SetLength(sparse.Length + length);
            sparse.Seek(-2, SeekOrigin.End);
            sparse.Write([7, 8]);
        }
        using var file = SafetensorsFile.Open(_folder.File());
        var last = new byte[3];
        file.Read("large", length - 3, last);
        last.Should().Equal(0, 7, 8);
        using var map = file.Map("large");
        map.Length.Should().Be(length);
        map.Slice(length - 3, 3).ToArray().Should().Equal(0, 7, 8);
        map.Invoking(it => it.Bytes.Length).Should().Throw<InvalidOperationException>().WithMessage("*Use Slice*");
        using var tensor = file.MapTensor("large");
        tensor.shape.Should().Equal(3, 1 << 30);
        tensor[2, -1].item<byte>().Should().Be(8);
    }

    [Fact]
    public void Several_threads_may_read_at_once()
    {
        using var file = SafetensorsFile.Open(Fixture.Path("fastmoe_noisy_gate.io.safetensors"));
        var names = file.Entries.Keys.ToArray();
        var expected = names.ToDictionary(name => name, name => Bytes(file, name));
        Parallel.For(0, 200, round => Bytes(file, names[round % names.Length]).Should().Equal(expected[names[round % names.Length]]));
    }

    private static byte[] Bytes(SafetensorsFile file, string name)
    {
        var bytes = new byte[file.Entries[name].ByteCount];
        file.Read(name, 0, bytes);
        return bytes;
    }

    private string TwoTensors()
    {
        File.WriteAllBytes(_folder.File(), SmallFile.Of("""{"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"b":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}""", 8));
        return _folder.File();
    }
}
