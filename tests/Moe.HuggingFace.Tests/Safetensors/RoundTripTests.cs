using TorchSharp;
using static TorchSharp.torch;

namespace Moe.HuggingFace.Tests.Safetensors;

public sealed class RoundTripTests : IDisposable
{
    private static readonly long[][] Shapes = [[], [1], [3], [2, 3], [0], [2, 0, 3], [1, 2, 1, 3, 1], [5, 7]];

    private readonly TemporaryFolder _folder = new();
    private readonly Random _random = new(5);

    public static TheoryData<ElementType> Types => [.. Enum.GetValues<ElementType>()];

    public void Dispose() => _folder.Dispose();

    [Theory]
    [MemberData(nameof(Types))]
    public void Any_bytes_of_any_shape_come_back(ElementType type)
    {
        using var scope = NewDisposeScope();
        var bytes = Shapes.Select((_, place) => $"t{place}").Zip(Shapes).ToDictionary(pair => pair.First, pair => Bytes(type, pair.Second));
        SafetensorsWriter.WritePieces(_folder.File(), Shapes.Select((shape, place) => new TensorDescription($"t{place}", type, shape)),
            (name, first, destination) => bytes[name].AsSpan((int)first, destination.Length).CopyTo(destination));

        using var file = SafetensorsFile.Open(_folder.File());
        file.Entries.Should().HaveCount(Shapes.Length);
        for (var place = 0; place < Shapes.Length; place++)
        {
            var tensor = file.ReadTensor($"t{place}");
            tensor.shape.Should().Equal(Shapes[place]);
            tensor.dtype.Should().Be(type.ToTorch());
            tensor.bytes.ToArray().Should().Equal(bytes[$"t{place}"]);
            var mapped = file.MapTensor($"t{place}");
            (mapped.dtype, mapped.shape.Length).Should().Be((tensor.dtype, tensor.shape.Length));
            mapped.shape.Should().Equal(Shapes[place]);
            mapped.contiguous().bytes.ToArray().Should().Equal(bytes[$"t{place}"]);
        }
    }

    [Theory]
    [InlineData(ScalarType.Float64, "F64")]
    [InlineData(ScalarType.Float32, "F32")]
    [InlineData(ScalarType.Float16, "F16")]
    [InlineData(ScalarType.BFloat16, "BF16")]
    [InlineData(ScalarType.Int64, "I64")]
    [InlineData(ScalarType.Int32, "I32")]
    [InlineData(ScalarType.Int16, "I16")]
    [InlineData(ScalarType.Int8, "I8")]
    [InlineData(ScalarType.Byte, "U8")]
    [InlineData(ScalarType.Bool, "BOOL")]
    public void Tensors_of_any_type_and_any_strides_come_back(ScalarType type, string name)
    {
        using var scope = NewDisposeScope();
        var numbers = arange(24).reshape(4, 6).to(type);
        var tensors = new Dictionary<string, Tensor>
        {
            ["plain"] = numbers,
            ["turned"] = numbers.t(),
            ["narrow"] = numbers.narrow(1, 2, 3),
            ["expanded"] = numbers.narrow(1, 1, 1).expand(4, 5),
            ["single"] = numbers[1, 1],
            ["empty"] = numbers.narrow(0, 2, 0).t(),
        };
        SafetensorsWriter.Write(_folder.File(), tensors);

        using var file = SafetensorsFile.Open(_folder.File());
        file.Metadata.Should().BeNull();
        foreach (var (key, tensor) in tensors)
        {
            file.Entries[key].Type.Name().Should().Be(name);
            var read = file.ReadTensor(key);
            read.dtype.Should().Be(type);
            read.Equals(tensor).Should().BeTrue(key);
        }
        numbers.is_contiguous().Should().BeTrue("what is written is not touched");
    }

    [Fact]
    public void Parameters_and_negations_that_are_only_noted_down_are_written_as_they_look()
    {
        using var scope = NewDisposeScope();
        var parameter = nn.Parameter(rand(3, 2));
        var imaginary = complex(rand(4), rand(4)).conj().imag;

        // Of a single number torch takes every stride for contiguous, so that nothing but the writer itself carries the negation out.
        var single = imaginary.narrow(0, 0, 1);
        SafetensorsWriter.Write(_folder.File(), new Dictionary<string, Tensor> { ["parameter"] = parameter, ["imaginary"] = imaginary, ["single"] = single });

        using var file = SafetensorsFile.Open(_folder.File());
        file.ReadTensor("parameter").Equals(parameter.detach()).Should().BeTrue();
        file.ReadTensor("parameter").requires_grad.Should().BeFalse();
        file.ReadTensor("imaginary").Equals(imaginary).Should().BeTrue();
        file.ReadTensor("single").Equals(single).Should().BeTrue();
        parameter.requires_grad.Should().BeTrue();
    }

    [Fact]
    public void Names_and_texts_of_any_characters_come_back_in_their_order()
    {
        using var scope = NewDisposeScope();
        string[] names = ["", " ", "\"\\/\b\f\n\r\t\0\u001f\u007f", "é", "\uffee", "😀", "data_offsets", "__metadata", "a.b[0]/c", "\u2028<>&+'`"];
        var metadata = new OrderedDictionary<string, string>(names.Reverse().Select(name => KeyValuePair.Create("k" + name, name)));
        SafetensorsWriter.Write(_folder.File(), names.ToDictionary(name => name, name => tensor((long)name.Length)), metadata);

        using var file = SafetensorsFile.Open(_folder.File());
        file.Metadata!.ToArray().Should().Equal(metadata.ToArray());
        file.Entries.Keys.Should().BeEquivalentTo(names);
        foreach (var name in names)
            file.ReadTensor(name).item<long>().Should().Be(name.Length);
    }

    [Fact]
    public void No_tensor_is_left_behind_by_writing()
    {
        using var scope = NewDisposeScope();
        var tensors = new Dictionary<string, Tensor> { ["a"] = rand(3, 4).t(), ["b"] = rand(2) };
        DisposeScopeManager.Statistics.Reset();
        SafetensorsWriter.Write(_folder.File(), tensors);
        DisposeScopeManager.Statistics.ThreadTotalLiveCount.Should().Be(0);
    }

    private byte[] Bytes(ElementType type, long[] shape)
    {
        var bytes = new byte[TensorShape.ByteCount(shape, type)!.Value];
        _random.NextBytes(bytes);
        return type == ElementType.Bool ? [.. bytes.Select(value => (byte)(value & 1))] : bytes;
    }
}
