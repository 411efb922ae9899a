using System.Buffers.Binary;
using System.Text;
using System.Text.Json;
using static TorchSharp.torch;

namespace Moe.Training.Tests.Checkpoints;

public sealed class TensorFileTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public static TheoryData<ScalarType, string, int> Types => new()
    {
        { ScalarType.Float64, "F64", 8 }, { ScalarType.Float32, "F32", 4 }, { ScalarType.Float16, "F16", 2 }, { ScalarType.BFloat16, "BF16", 2 },
        { ScalarType.Int64, "I64", 8 }, { ScalarType.Int32, "I32", 4 }, { ScalarType.Int16, "I16", 2 }, { ScalarType.Int8, "I8", 1 },
        { ScalarType.Byte, "U8", 1 }, { ScalarType.Bool, "BOOL", 1 },
    };

    public void Dispose() => _folder.Dispose();

    [Theory]
    [MemberData(nameof(Types))]
    public void Every_type_comes_back_and_lies_in_the_file_as_safetensors_says(ScalarType type, string name, int size)
    {
        using var scope = NewDisposeScope();
        var values = arange(0, 12, dtype: ScalarType.Int64).remainder(5).reshape(3, 4).to(type);
        Write("", ("values", values), ("scalar", values[1, 2]), ("empty", values.narrow(0, 0, 0)), ("turned", values.t()), ("part", values.narrow(1, 1, 2)));

        var (_, tensors) = TensorFile.Read(_folder.File());
        scope.Attach(tensors.Values);
        Same(tensors["values"], values);
        Same(tensors["scalar"], values[1, 2]);
        Same(tensors["empty"], values.narrow(0, 0, 0));
        Same(tensors["turned"], values.t());
        Same(tensors["part"], values.narrow(1, 1, 2));

        var (header, data) = Parse();
        data.Length.Should().Be(size * (12 + 1 + 0 + 12 + 6));
        header.GetProperty("values").GetProperty("dtype").GetString().Should().Be(name);
        header.GetProperty("values").GetProperty("shape").EnumerateArray().Select(item => item.GetInt64()).Should().Equal(3, 4);
        header.GetProperty("values").GetProperty("data_offsets").EnumerateArray().Select(item => item.GetInt64()).Should().Equal(0, 12 * size);
        header.GetProperty("scalar").GetProperty("shape").GetArrayLength().Should().Be(0);
        header.GetProperty("part").GetProperty("data_offsets").EnumerateArray().Select(item => item.GetInt64()).Should().Equal(25 * size, 31 * size);
        data[..(12 * size)].Should().Equal(values.bytes.ToArray());
    }

    [Fact]
    public void The_header_is_text_in_metadata_and_padded_so_that_data_lies_at_multiples_of_eight()
    {
        using var tensor = ones(3);
        for (var length = 0; length < 8; length++)
        {
            Write(new string('x', length), ("a", tensor));
            var (header, data) = Parse();
            header.GetProperty("__metadata__").EnumerateObject().Select(item => item.Value.ValueKind).Should().OnlyContain(kind => kind == JsonValueKind.String);
            data.Length.Should().Be(12);
            (new FileInfo(_folder.File()).Length - data.Length).Should().Match(start => start % 8 == 0);
        }
    }

    [Theory]
    [InlineData("")]
    [InlineData("{\"a\":\"b\\n\"}")]
    [InlineData("quotes \" ' backslash \\ control \u0001 \n\r\t end")]
    [InlineData("Größe ∑ gᵢ(x) 模型 😀 \u2028")]
    [InlineData("\",\"sha256\":\"0000")]
    public void A_text_comes_back_as_it_was(string text)
    {
        Write(text);
        TensorFile.Read(_folder.File()).Text.Should().Be(text);
    }

    [Fact]
    public void A_name_may_hold_anything()
    {
        using var tensor = ones(1);
        string[] names = ["", "a b", "a.b\"c", "größe", "{}", "sha256"];
        Write("", [.. names.Select(name => (name, tensor))]);
        var (_, tensors) = TensorFile.Read(_folder.File());
        tensors.Keys.Should().Equal(names);
        foreach (var read in tensors.Values)
            read.Dispose();
    }

    [Fact]
    public void A_tensor_of_more_than_one_chunk_comes_back()
    {
        using var scope = NewDisposeScope();
        var large = arange(0, 9_000_000, dtype: ScalarType.Int64);
        Write("", ("large", large), ("after", ones(2)));
        var (_, tensors) = TensorFile.Read(_folder.File());
        scope.Attach(tensors.Values);
        tensors["large"].eq(large).all().item<bool>().Should().BeTrue();
        Same(tensors["after"], ones(2));
    }

    [Fact]
    public void A_name_given_twice_or_reserved_is_refused_in_writing()
    {
        using var tensor = ones(1);
        var twice = () => Write("", ("a", tensor), ("a", tensor));
        twice.Should().Throw<ArgumentException>().WithMessage("*called a*");
        var reserved = () => Write("", ("__metadata__", tensor));
        reserved.Should().Throw<ArgumentException>().WithMessage("*__metadata__*");
    }

    [Fact]
    public void A_type_that_safetensors_does_not_know_is_refused_by_name()
    {
        using var tensor = zeros(2, dtype: ScalarType.ComplexFloat32);
        var write = () => Write("", ("wave", tensor));
        write.Should().Throw<NotSupportedException>().WithMessage("*wave*ComplexFloat32*");
        _folder.Names().Should().BeEmpty();
    }

    private static void Same(Tensor actual, Tensor expected)
    {
        actual.dtype.Should().Be(expected.dtype);
        actual.shape.Should().Equal(expected.shape);
        actual.contiguous().bytes.ToArray().Should().Equal(expected.contiguous().bytes.ToArray());
    }

    private void Write(string text, params (string, Tensor)[] tensors) =>
        AtomicFile.Write(_folder.File(), stream => TensorFile.Write(stream, text, tensors));

    /// <summary>Reads the file by the letter of the format, without the code under test.</summary>
    private (JsonElement Header, byte[] Data) Parse()
    {
        var bytes = File.ReadAllBytes(_folder.File());
        var length = (int)BinaryPrimitives.ReadUInt64LittleEndian(bytes);
        using var json = JsonDocument.Parse(Encoding.UTF8.GetString(bytes, 8, length));
        return (json.RootElement.Clone(), bytes[(8 + length)..]);
    }
}
