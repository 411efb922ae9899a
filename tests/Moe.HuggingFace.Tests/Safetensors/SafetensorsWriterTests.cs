using System.Text;
using static TorchSharp.torch;

namespace Moe.HuggingFace.Tests.Safetensors;

public sealed class SafetensorsWriterTests : IDisposable
{
    private static readonly TensorReader Zeros = (_, _, destination) => destination.Clear();

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Types_come_in_the_order_of_the_reference_implementation_and_names_in_that_of_code_points()
    {
        SafetensorsWriter.WritePieces(_folder.File(), Enum.GetValues<ElementType>().Select(type => new TensorDescription(type.Name(), type, [1])), Zeros);
        using (var file = SafetensorsFile.Open(_folder.File()))
            file.Entries.Keys.Should().Equal("I64", "F64", "F32", "I32", "BF16", "F16", "I16", "F8_E4M3", "F8_E5M2", "I8", "U8", "BOOL");

        string[] names = ["", "A", "a", "aa", "é", "\ud7ff", "\uffee", "😀", "😁"];
        SafetensorsWriter.WritePieces(_folder.File(), names.Reverse().Select(name => new TensorDescription(name, ElementType.UInt8, [1])), Zeros);
        using (var file = SafetensorsFile.Open(_folder.File()))
            file.Entries.Keys.Should().Equal(names);
    }

    [Fact]
    public void The_given_order_is_kept_if_everything_lies_aligned_in_it()
    {
        TensorDescription[] tensors = [new("c", ElementType.UInt8, [8]), new("a", ElementType.Int64, [1]), new("b", ElementType.UInt8, [3]), new("d", ElementType.Int16, [1])];
        SafetensorsWriter.WritePieces(_folder.File(), tensors[..3], Zeros, order: TensorOrder.AsGiven);
        using (var file = SafetensorsFile.Open(_folder.File()))
            file.Entries.Keys.Should().Equal("c", "a", "b");
        FluentActions.Invoking(() => SafetensorsWriter.WritePieces(_folder.File(), tensors, Zeros, order: TensorOrder.AsGiven))
            .Should().Throw<ArgumentException>().WithMessage("In this order, \"d\" would lie at byte 19 of the data*2 bytes of an I16*");
    }

    [Fact]
    public void The_bytes_are_those_of_the_format()
    {
        SafetensorsWriter.WritePieces(_folder.File(), [new("é\n\u0001\u007f\"", ElementType.Float8E4M3, [3]), new("b", ElementType.Float32, [])],
            (_, _, destination) => destination.Fill(9), new Dictionary<string, string> { ["z"] = "\\", ["a"] = "" });
        const string header = "{\"__metadata__\":{\"z\":\"\\\\\",\"a\":\"\"},\"b\":{\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[0,4]},"
            + "\"é\\n\\u0001\u007f\\\"\":{\"dtype\":\"F8_E4M3\",\"shape\":[3],\"data_offsets\":[4,7]}}";
        var length = (Encoding.UTF8.GetByteCount(header) + 7) / 8 * 8;
        var bytes = File.ReadAllBytes(_folder.File());
        bytes[..8].Should().Equal(BitConverter.GetBytes((long)length));
        Encoding.UTF8.GetString(bytes, 8, length).Should().Be(header + new string(' ', length - Encoding.UTF8.GetByteCount(header)));
        bytes[(8 + length)..].Should().Equal(9, 9, 9, 9, 9, 9, 9);
    }

    [Fact]
    public void A_file_of_nothing_is_that_of_the_reference_implementation()
    {
        SafetensorsWriter.WritePieces(_folder.File(), [], Zeros);
        File.ReadAllBytes(_folder.File()).Should().Equal([8, 0, 0, 0, 0, 0, 0, 0, .. "{}      "u8]);
        SafetensorsWriter.Write(_folder.File(), new Dictionary<string, Tensor>(), new Dictionary<string, string>());
        File.ReadAllBytes(_folder.File()).Should().Equal([24, 0, 0, 0, 0, 0, 0, 0, .. "{\"__metadata__\":{}}     "u8]);
    }

    [Fact]
    public void Large_tensors_are_asked_for_in_pieces_that_cut_no_number()
    {
        const int count = 1_500_001;
        var next = 0L;
        SafetensorsWriter.WritePieces(_folder.File(), [new("a", ElementType.Float64, [count])], (name, first, destination) =>
        {
            (name, first).Should().Be(("a", next));
            (destination.Length % 8).Should().Be(0);
            next += destination.Length;
            for (var place = 0; place < destination.Length; place++)
                destination[place] = (byte)((first + place) % 251);
        });
        next.Should().Be(count * 8);
        using var file = SafetensorsFile.Open(_folder.File());
        using var map = file.Map("a");
        for (var place = 0; place < map.Bytes.Length; place += 997)
            map.Bytes[place].Should().Be((byte)(place % 251));
    }

    [Fact]
    public void What_the_format_has_no_place_for_is_refused_before_anything_is_touched()
    {
        Refused("*two tensors \"a\"*", new("a", ElementType.UInt8, [1]), new("a", ElementType.Int8, [1]));
        Refused("*cannot have the name __metadata__*", new TensorDescription("__metadata__", ElementType.UInt8, [1]));
        Refused("*\"a\" has the shape [2,-1]*", new TensorDescription("a", ElementType.UInt8, [2, -1]));
        Refused("*\"a\" has the shape*", new TensorDescription("a", ElementType.UInt8, [1L << 40, 1L << 40]));
        Refused("*\"a\" has 65 dimensions*", new TensorDescription("a", ElementType.UInt8, Enumerable.Repeat(1L, 65).ToArray()));
        Refused("*more bytes together*", new("a", ElementType.UInt8, [long.MaxValue / 2]), new("b", ElementType.UInt8, [long.MaxValue / 2]));
        Refused("*half a surrogate pair*", new TensorDescription("\ud800", ElementType.UInt8, [1]));
        Refused("*no such type*", new TensorDescription("a", (ElementType)12, [1]));
    }

    [Fact]
    public void Tensors_without_numbers_to_write_are_refused()
    {
        using var scope = NewDisposeScope();
        var disposed = ones(1);
        disposed.Dispose();
        foreach (var (tensor, message) in new[] { (complex(ones(1), ones(1)), "*\"a\" has numbers of the type Complex*"), (empty(2, device: META), "*\"a\" has no numbers*"),
            (disposed, "*\"a\" is no tensor*"), (null!, "*\"a\" is no tensor*"), (ones(2, 2).to_sparse(), "*\"a\" has no numbers*") })
        {
            FluentActions.Invoking(() => SafetensorsWriter.Write(_folder.File(), new Dictionary<string, Tensor> { ["a"] = tensor })).Should().Throw<ArgumentException>().WithMessage(message);
        }
        _folder.Names().Should().BeEmpty();
    }

    [Fact]
    public void Nothing_is_left_where_reading_fails_midway_and_the_old_file_stays()
    {
        TensorDescription[] tensors = [new("a", ElementType.Int64, [1000]), new("b", ElementType.UInt8, [1000])];
        TensorReader failing = (name, _, destination) => destination.Fill(name == "b" ? throw new InvalidOperationException("midway") : (byte)1);
        FluentActions.Invoking(() => SafetensorsWriter.WritePieces(_folder.File(), tensors, failing)).Should().Throw<InvalidOperationException>().WithMessage("midway");
        _folder.Names().Should().BeEmpty();

        SafetensorsWriter.WritePieces(_folder.File(), tensors, Zeros);
        var old = File.ReadAllBytes(_folder.File());
        FluentActions.Invoking(() => SafetensorsWriter.WritePieces(_folder.File(), tensors, failing)).Should().Throw<InvalidOperationException>();
        File.ReadAllBytes(_folder.File()).Should().Equal(old);
        _folder.Names().Should().Equal("model.safetensors");
    }

    [Fact]
    public void A_file_can_be_written_in_the_place_of_the_one_it_is_read_from()
    {
        File.Copy(Fixture.Path("fastmoe_noisy_gate.io.safetensors"), _folder.File());
        using (var file = SafetensorsFile.Open(_folder.File()))
            SafetensorsWriter.WritePieces(file.Path, file.Entries.Values.Select(TensorDescription.Of), file.Read, file.Metadata, TensorOrder.AsGiven);
        File.ReadAllBytes(_folder.File()).Should().Equal(File.ReadAllBytes(Fixture.Path("fastmoe_noisy_gate.io.safetensors")));
    }

    private void Refused(string message, params TensorDescription[] tensors)
    {
        FluentActions.Invoking(() => SafetensorsWriter.WritePieces(_folder.File(), tensors, Zeros)).Should().Throw<ArgumentException>().WithMessage(message);
        FluentActions.Invoking(() => SafetensorsWriter.WriteShards(_folder.FullName, tensors, Zeros, 1 << 20)).Should().Throw<ArgumentException>().WithMessage(message);
        _folder.Names().Should().BeEmpty();
    }
}
