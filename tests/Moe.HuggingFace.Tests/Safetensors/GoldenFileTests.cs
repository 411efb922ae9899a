using System.Text;
using static TorchSharp.torch;

namespace Moe.HuggingFace.Tests.Safetensors;

/// <summary>Published tools' files come out again with the same bytes.</summary>
public sealed class GoldenFileTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Read_as_tensors_and_written_again()
    {
        using var scope = NewDisposeScope();
        using var file = SafetensorsFile.Open(Fixture.Path("fastmoe_noisy_gate.weights.safetensors"));
        SafetensorsWriter.Write(_folder.File(), file.Entries.Keys.Order(StringComparer.Ordinal).ToDictionary(key => key, file.ReadTensor), file.Metadata);
        File.ReadAllBytes(_folder.File()).Should().Equal(File.ReadAllBytes(file.Path));
    }

    [Theory]
    [InlineData("fastmoe_noisy_gate.io.safetensors")]
    [InlineData("fastmoe_noisy_gate.weights.safetensors")]
    public void Copied_piece_by_piece(string name)
    {
        using var file = SafetensorsFile.Open(Fixture.Path(name));
        SafetensorsWriter.WritePieces(_folder.File(), file.Entries.Values.Select(TensorDescription.Of), file.Read, file.Metadata, TensorOrder.AsGiven);
        File.ReadAllBytes(_folder.File()).Should().Equal(File.ReadAllBytes(file.Path));
    }

    [Fact]
    public void The_examples_in_the_tests_of_the_reference_implementation_have_the_same_bytes()
    {
        using var scope = NewDisposeScope();
        Written(new() { ["attn.0"] = arange(6, dtype: float32).reshape(1, 2, 3) }).Should().Be(
            "@{\"attn.0\":{\"dtype\":\"F32\",\"shape\":[1,2,3],\"data_offsets\":[0,24]}}000000000000803F0000004000004040000080400000A040");
        Written(new() { ["attn0"] = arange(6, dtype: float32).reshape(1, 1, 2, 3) }).Should().StartWith(
            "H{\"attn0\":{\"dtype\":\"F32\",\"shape\":[1,1,2,3],\"data_offsets\":[0,24]}}       00");
        Written(new() { ["test"] = tensor(new float[] { 2.25f, 1, 1, 1 }, [2, 2]).to(bfloat16) }).Should().Be(
            "@{\"test\":{\"dtype\":\"BF16\",\"shape\":[2,2],\"data_offsets\":[0,8]}}    1040803F803F803F");
        Written(new() { ["test2"] = zeros(2, 2, float16), ["test1"] = zeros(2, 2, int32) }).Should().StartWith(
            "\u0080{\"test1\":{\"dtype\":\"I32\",\"shape\":[2,2],\"data_offsets\":[0,16]},\"test2\":{\"dtype\":\"F16\",\"shape\":[2,2],\"data_offsets\":[16,24]}}");
        Written([], new() { ["framework"] = "pt" }).Should().Be("({\"__metadata__\":{\"framework\":\"pt\"}}     ");
    }

    [Fact]
    public void The_numbers_are_those_that_were_written()
    {
        using var scope = NewDisposeScope();
        using var file = SafetensorsFile.Open(Fixture.Path("fastmoe_noisy_gate.io.safetensors"));

        // The layer's rule holds between its tensors: a wrong place or type would show.
        var input = file.ReadTensor("input");
        input.dtype.Should().Be(ScalarType.Float32);
        input.shape.Should().HaveCount(2);
        input.isfinite().all().item<bool>().Should().BeTrue();
        using var weights = SafetensorsFile.Open(Fixture.Path("fastmoe_noisy_gate.weights.safetensors"));
        weights.Metadata.Should().Equal(new Dictionary<string, string> { ["format"] = "pt" });
        var noisy = input.matmul(weights.ReadTensor("w_gate")) + (file.ReadTensor("noise") * file.ReadTensor("noise_stddev"));
        file.ReadTensor("noisy_logits").allclose(noisy, rtol: 1e-5, atol: 1e-5).Should().BeTrue();
        file.ReadTensor("selected_experts").Equals(file.ReadTensor("noisy_logits").topk(2).indexes).Should().BeTrue();
    }

    /// <summary>The low byte of the header's length and the header as text, and the data in hexadecimal.</summary>
    private string Written(Dictionary<string, Tensor> tensors, Dictionary<string, string>? metadata = null)
    {
        SafetensorsWriter.Write(_folder.File(), tensors, metadata);
        var bytes = File.ReadAllBytes(_folder.File());
        bytes[1..8].Should().OnlyContain(value => value == 0);
        return (char)bytes[0] + Encoding.UTF8.GetString(bytes, 8, bytes[0]) + Convert.ToHexString(bytes[(8 + bytes[0])..]);
    }
}
